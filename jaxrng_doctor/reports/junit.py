"""The report as JUnit XML, for tools that show test results.

A target is a test case. It fails if it has findings at or above its `choices.fail_on`, or gaps
with `choices.strict`, and is an error if it could not be checked. Everything else is its output.
The text is ASCII, so that it is independent of the encoding of a pipe.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from jaxrng_doctor._util.paths import shown
from jaxrng_doctor.model.report import Report, TargetReport
from jaxrng_doctor.reports._plain_text import reason, target_text
from jaxrng_doctor.reports.options import RenderOptions

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report, options: RenderOptions) -> str:
    """The complete report, including targets without findings, which are passed tests."""
    suite = _element("testsuite", name="jaxrng-doctor")
    versions = ET.SubElement(suite, "properties")
    for name, value in (("jaxrng-doctor", report.tool_version), ("jax", report.jax_version)):
        versions.append(_element("property", name=name, value=value))
    suite.extend(_case(target, options) for target in report.targets)
    tests = {
        "tests": str(len(report.targets)),
        "failures": str(len(suite.findall("testcase/failure"))),
        "errors": str(len(suite.findall("testcase/error"))),
        "skipped": "0",
    }
    suite.attrib.update(tests)
    root = _element("testsuites", name="jaxrng-doctor", **tests)
    root.append(suite)
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=True)
    return f"{text.decode('ascii')}\n"


def _case(target: TargetReport, options: RenderOptions) -> ET.Element:
    # Readers group the cases by their class name.
    group, _, name = target.target.rpartition(":")
    case = _element("testcase", classname=group or "jaxrng-doctor", name=name)
    if target.lines is not None:
        case.set("file", _xml(shown(target.lines.path, options.root)))
        case.set("line", str(target.lines.line))
    text = target_text(target, options.root)
    why = reason([target], options.root)
    if target.failure is not None:
        result = _element("error", type=target.failure.stage, message=why)
    elif target.fails:
        kind = ", ".join(dict.fromkeys(f.code for f in target.failing)) or "gap"
        result = _element("failure", type=kind, message=why)
    else:
        result = _element("system-out")
    if text:
        result.text = _xml(text)
        case.append(result)
    return case


def _element(tag: str, **attributes: str) -> ET.Element:
    return ET.Element(tag, {key: _xml(value) for key, value in attributes.items()})


def _xml(text: str) -> str:
    """`text` with escapes for characters that XML does not allow."""
    return _NOT_XML.sub(
        lambda m: m[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text
    )
