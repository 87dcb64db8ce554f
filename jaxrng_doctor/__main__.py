"""`python -m jaxrng_doctor` is `jaxrng-doctor`."""

from jaxrng_doctor.cli import main

if __name__ == "__main__":
    main()
