"""Machine-readable listings: JSON follows its schema, and graphs follow Graphviz's grammar."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import jsonschema
import pytest
from jax import lax

from jaxrng_doctor.checking import examine
from jaxrng_doctor.model.target import Target
from jaxrng_doctor.reports.listing import FORMATS
from jaxrng_doctor.reports.options import RenderOptions

pydot = pytest.importorskip("pydot")

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "listing.schema.json").read_text(encoding="utf-8")
)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
X = jnp.ones(4)
EVIL = 'a"]; evil [label="x\\\n<b>&amp;</b>\x1b[31m'


def shared(x, key):
    first, second = jax.random.split(key)
    noise = jax.vmap(lambda y: y + jax.random.normal(first))(x)
    return lax.cond(x[0] > 0, lambda k: jax.random.uniform(k), lambda k: 0.0, second) + noise


def hostile(params, key):
    return jax.vmap(lambda y: y + jax.random.normal(key), axis_name=EVIL)(params[EVIL])


def looping(x, key):
    def step(carry, k):
        return carry + jax.random.normal(k), None

    total, _ = lax.scan(step, x[0], jax.random.split(key, 3))
    return lax.while_loop(lambda s: s < 0, lambda s: s + jax.random.normal(key), total)


PROGRAMS = {
    "shared": (shared, X),
    "hostile": (hostile, {EVIL: X}),
    "looping": (looping, X),
    "keyless": (lambda x, key: x + 1.0, X),
}


@pytest.fixture(scope="module")
def listings():
    made = {}

    def listing(name, every=False):
        if (name, every) not in made:
            fn, x = PROGRAMS[name]
            target = Target(name, fn, (x, jax.random.key(0)))
            made[name, every] = examine.inspect(target, every=every)
        return made[name, every]

    return listing


def read(listing):
    return json.loads(FORMATS["json"]([listing], RenderOptions(), lineage=False))


def graph(listing, *, lineage=False):
    text = FORMATS["dot"]([listing], RenderOptions(), lineage=lineage)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydot warns about the parser that it uses
        (parsed,) = pydot.graph_from_dot_data(text)
    return text, parsed


def nodes(parsed):
    found = [n for n in parsed.get_nodes() if n.get_name() not in ("node", "edge", "graph")]
    return found + [n for sub in parsed.get_subgraphs() for n in nodes(sub)]


def clusters(parsed):
    return [c for sub in parsed.get_subgraphs() for c in (sub, *clusters(sub))]


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("name", PROGRAMS)
def test_listings_follow_the_schema(name, every, listings):
    VALIDATOR.validate(read(listings(name, every)))


def objects(schema):
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from objects(value)


def test_the_schema_is_strict_and_describes_every_field():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    found = list(objects(SCHEMA))
    assert len(found) > 12
    for one in found:
        assert one["additionalProperties"] is False
        assert one["required"] == list(one["properties"])
        assert all("description" in f or "$ref" in f for f in one["properties"].values())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t: t.pop("tree"),
        lambda t: t.update(extra=1),
        lambda t: t["rows"][0].update(kind="sampler"),
        lambda t: t["rows"][0].update(row="row"),
        lambda t: t["inputs"][0].update(over=["often"]),
        lambda t: t["tree"][0].update(parent=-1),
        lambda t: t["findings"][0].update(severity="fatal"),
    ],
)
def test_wrong_listings_do_not_follow_the_schema(spoil, listings):
    right = read(listings("shared"))
    wrong = copy.deepcopy(right)
    spoil(wrong["targets"][0])
    VALIDATOR.validate(right)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(wrong)


def test_json_has_equations_and_lineage_at_once(listings):
    listing = listings("shared")
    both = [FORMATS["json"]([listing], RenderOptions(), lineage=way) for way in (False, True)]
    assert both[0] == both[1]
    (target,) = json.loads(both[0])["targets"]
    assert target["findings"][0]["code"] == "RNG001"
    assert {row["row"] for row in target["rows"]} >= {"line", "box"}
    assert "draw" in {node["kind"] for node in target["tree"]}


def test_json_has_a_line_for_each_equation():
    """So that tools that work by line can use it, and large programs are written quickly."""

    def fn(x, key):
        for _ in range(50):
            x = jnp.sin(x)
        return x + jax.random.normal(key)

    listing = examine.inspect(Target("fn", fn, (X, jax.random.key(0))), every=True)
    text = FORMATS["json"]([listing], RenderOptions(), lineage=False)
    assert sum('"what": "sin"' in line for line in text.splitlines()) == 50
    assert text.count('"what": "sin"') == 50


@pytest.mark.parametrize("lineage", [False, True])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_graph_is_in_graphviz_s_language(name, lineage, listings):
    text, parsed = graph(listings(name), lineage=lineage)
    names = {node.get_name() for node in nodes(parsed)}
    assert all(re.fullmatch(r"t0_[nk]\d+", name) for name in names)
    for edge in parsed.get_edges():
        assert {edge.get_source(), edge.get_destination()} <= names
    if shutil.which("dot"):
        drawn = subprocess.run(
            ["dot", "-Tsvg"], input=text, capture_output=True, text=True, timeout=60, check=False
        )
        assert drawn.returncode == 0
        assert drawn.stdout.count('class="node"') == len(names)


def test_a_graph_has_the_draws_the_scopes_and_the_faults(listings):
    _, parsed = graph(listings("shared"))
    labels = [node.get_label() for node in nodes(parsed)]
    (normal,) = [label for label in labels if "jax.random.normal" in label]
    assert "✗ error[RNG001]" in normal
    assert "4 keys, 1 distinct" in normal
    titles = [cluster.get_label() for cluster in clusters(parsed)]
    assert [title for title in titles if "vmap(<lambda>) over 4, index i" in title]
    assert [title for title in titles if "branch 1" in title]


def test_a_graph_leads_through_every_branch_and_paints_no_key_that_was_not_reached():
    def fn(x, key):
        def one(k):
            return jax.random.normal(k)

        def other(k):
            return jax.random.uniform(k)

        return lax.cond(x[0] > 0, one, other, key)

    _, parsed = graph(examine.inspect(Target("fn", fn, (X, jax.random.key(0)))))
    labels = {node.get_name(): node for node in nodes(parsed)}
    (out,) = [name for name, node in labels.items() if '"out ' in node.get_label()]
    sources = [e.get_source() for e in parsed.get_edges() if e.get_destination() == out]
    reported = {labels[name].get_label().partition("jax.random.")[2][:6]: name for name in sources}
    assert sorted(reported) == ["normal", "unifor"]
    assert labels[reported["normal"]].get("fillcolor")
    assert labels[reported["unifor"]].get("fillcolor") is None  # x[0] is 1
    assert "not reached" in labels[reported["unifor"]].get_label()


def test_a_stripe_of_a_graph_is_as_wide_as_its_run_of_keys_is_long():
    def fn(x, key):
        keys = jax.random.split(key, 2)[jnp.array([0, 0, 0, 1])]
        return jax.vmap(lambda k: jax.random.normal(k))(keys)

    _, parsed = graph(examine.inspect(Target("fn", fn, (X, jax.random.key(0)))))
    (drawn,) = [n for n in nodes(parsed) if "jax.random.normal" in n.get_label()]
    first, second = drawn.get("fillcolor").strip('"').split(":")
    color, _, share = first.partition(";")
    assert float(share) == 3 / 4
    assert color != second


def test_a_key_tree_as_a_graph_has_an_edge_for_each_step(listings):
    listing = listings("shared")
    _, parsed = graph(listing, lineage=True)
    steps = {(n.parent, i) for i, n in enumerate(listing.tree) if n.parent is not None}
    drawn = {(e.get_source(), e.get_destination()) for e in parsed.get_edges()}
    assert drawn == {(f"t0_k{a}", f"t0_k{b}") for a, b in steps}
    assert len(nodes(parsed)) == len(listing.tree)


@pytest.mark.parametrize("lineage", [False, True])
def test_no_text_of_the_user_s_steers_the_terminal(lineage, listings):
    text = FORMATS["text"]([listings("hostile")], RenderOptions(), lineage=lineage)
    assert "\x1b" not in text
    assert "\\x1b" in text
