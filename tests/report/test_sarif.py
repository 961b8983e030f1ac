"""What was found, as SARIF."""

from __future__ import annotations

import json

from simsock.report.files import Reports
from simsock.report.sarif import as_sarif

ROW = {
    "title": "tests/test_shop.py::test_stock",
    "kind": "test",
    "outcome": "fails",
    "good": False,
    "said": "",
    "error": "AssertionError: sold twice",
    "error_type": "AssertionError",
    "place": "app/my shop.py:31",
    "file": "tests/test_shop.py",
    "command": "pytest tests/test_shop.py::test_stock --simsock-replay=simsock1.x",
    "page": "one.html",
    "files": ["one.html"],
}


def results(*rows):
    run = as_sarif(rows, "1.2")["runs"][0]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(dict.fromkeys(result["ruleId"] for result in run["results"]))
    return run["results"]


def places(result):
    return [(place["physicalLocation"]["artifactLocation"], place["physicalLocation"]["region"]["startLine"]) for place in result["locations"]]


def test_a_failure_is_a_result_at_its_line_with_the_command_that_repeats_it():
    (result,) = results(ROW)
    assert result["ruleId"] == "AssertionError" and result["level"] == "error"
    assert result["message"]["text"] == f"tests/test_shop.py::test_stock: AssertionError: sold twice\nRepeat it: {ROW['command']}"
    assert places(result) == [({"uri": "app/my%20shop.py", "uriBaseId": "%SRCROOT%"}, 31)]


def test_what_is_as_it_should_be_is_no_result():
    assert results({**ROW, "good": True}, {**ROW, "good": None}) == []


def test_an_error_of_several_places_is_a_result_at_each():
    found = results({**ROW, "place": "a.py:1, b.py:22", "error_type": "ExceptionGroup"})
    assert [places(result) for result in found] == [[({"uri": "a.py", "uriBaseId": "%SRCROOT%"}, 1)], [({"uri": "b.py", "uriBaseId": "%SRCROOT%"}, 22)]]
    assert len({result["partialFingerprints"]["simsock/v1"] for result in found}) == 2


def test_without_a_line_it_is_about_the_file_and_without_a_file_about_none():
    (result,) = results({**ROW, "place": None})
    assert places(result) == [({"uri": "tests/test_shop.py", "uriBaseId": "%SRCROOT%"}, 1)]
    (result,) = results({**ROW, "place": None, "file": None, "error": None, "error_type": None, "said": "NOT AS EXPECTED: nothing failed", "command": None})
    assert "locations" not in result and result["ruleId"] == "NotAsExpected"
    assert result["message"]["text"] == "tests/test_shop.py::test_stock: NOT AS EXPECTED: nothing failed"


def test_a_path_outside_is_a_uri_of_its_own():
    (result,) = results({**ROW, "place": "/srv/app#1.py:7"})
    assert places(result) == [({"uri": "file:///srv/app%231.py"}, 7)]


def test_the_fingerprint_is_of_what_failed_and_not_of_the_run():
    def fingerprint(**changed):
        (result,) = results({**ROW, **changed})
        return result["partialFingerprints"]["simsock/v1"]

    assert fingerprint(command="pytest x --simsock-replay=simsock1.other", place="app/my shop.py:40") == fingerprint()
    assert len({fingerprint(), fingerprint(title="other"), fingerprint(error_type="KeyError"), fingerprint(place="b.py:31")}) == 4


def test_it_lies_beside_the_index_also_without_a_finding(tmp_path):
    reports = Reports(str(tmp_path), "1.2")
    reports.put_index([ROW])
    written = json.loads((tmp_path / "simsock.sarif").read_text())
    assert written["version"] == "2.1.0" and len(written["runs"][0]["results"]) == 1
    assert written["runs"][0]["tool"]["driver"]["version"] == "1.2"
    reports.put_index([])
    assert json.loads((tmp_path / "simsock.sarif").read_text())["runs"][0]["results"] == []
