"""A pytest plugin for .ci/run: the run fails when a test that must run here was skipped, or when none ran."""

import pytest

# Marker of such tests -> their files, what they need, in words.
NEEDED = {
    "real": ("tests/real", "the tests on real frames", "see N2N_REAL_DATA"),
    "browser": ("test_report_browser", "the tests in a browser", "install chromium, or set N2N_CHROMIUM"),
}
ran: dict[str, set[str]] = {marker: set() for marker in NEEDED}
skipped: dict[str, dict[str, str]] = {marker: {} for marker in NEEDED}


def pytest_runtest_logreport(report):
    """Note what became of every test that must run."""
    for marker in NEEDED:
        if marker in report.keywords:
            if report.skipped:
                skipped[marker][report.nodeid] = _reason(report)
            elif report.when == "call":
                ran[marker].add(report.nodeid)


def pytest_collectreport(report):
    """Note modules that skip themselves as a whole."""
    for marker, (place, _, _) in NEEDED.items():
        if report.skipped and place in report.nodeid:
            skipped[marker][report.nodeid] = _reason(report)


def pytest_sessionfinish(session):
    """Turn a green run without these tests into a red one."""
    if hasattr(session.config, "workerinput"):  # pytest-xdist: only the process that hears of all tests can tell
        return
    missing = any(skipped[marker] or not ran[marker] for marker in NEEDED)
    if missing and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    """Say how many of them ran, and which did not."""
    for marker, (_, words, remedy) in NEEDED.items():
        terminalreporter.write_line(f"{words}: {len(ran[marker])} ran, {len(skipped[marker])} skipped")
        for test, reason in skipped[marker].items():
            terminalreporter.write_line(f"  skipped: {test}: {reason}")
        if skipped[marker] or not ran[marker]:
            terminalreporter.write_line(f"error: {words} must run here; {remedy}")


def _reason(report) -> str:
    return str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
