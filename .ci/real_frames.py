"""A pytest plugin for .ci/run: the run fails when a test on real frames was skipped, or when none ran."""

import pytest

ran: set[str] = set()
skipped: dict[str, str] = {}


def pytest_runtest_logreport(report):
    """Note what became of every test marked `real`."""
    if "real" in report.keywords:
        if report.skipped:
            skipped[report.nodeid] = _reason(report)
        elif report.when == "call":
            ran.add(report.nodeid)


def pytest_collectreport(report):
    """Note modules that skip themselves as a whole."""
    if report.skipped and "tests/real" in report.nodeid:
        skipped[report.nodeid] = _reason(report)


def pytest_sessionfinish(session):
    """Turn a green run without the real frames into a red one."""
    if (skipped or not ran) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    """Say how many tests saw real frames, and which did not."""
    terminalreporter.write_line(f"tests on real frames: {len(ran)} ran, {len(skipped)} skipped")
    for test, reason in skipped.items():
        terminalreporter.write_line(f"  skipped: {test}: {reason}")
    if skipped or not ran:
        terminalreporter.write_line("error: the tests on real frames must run here; see N2N_REAL_DATA")


def _reason(report) -> str:
    return str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
