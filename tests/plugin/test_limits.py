"""Limits of all worlds of a suite, from the ini file."""

from __future__ import annotations


def test_the_ini_file_sets_limits_which_markers_and_the_fixture_beat(pytester):
    pytester.makeini("[pytest]\nsimsock_max_steps = 1_000\nsimsock_max_time = 2h\nsimsock_max_real_time = 30s\n")
    pytester.makepyfile(
        """
        import pytest

        def limits(sim):
            found = sim.options.limits
            return found.steps, found.time_ns // 10**9, found.real_seconds

        def test_of_the_file(sim):
            assert limits(sim) == (1_000, 7_200, 30)

        @pytest.mark.simsock(max_time="1h")
        def test_of_the_marker(sim):
            assert limits(sim) == (1_000, 3_600, 30)

        @pytest.mark.simsock(schedules=2)
        def test_of_a_search(sim):
            assert limits(sim) == (1_000, 7_200, 30)

        class TestConfigured:
            @pytest.fixture(scope="session")
            def simsock_config(self):
                return {"max_steps": 5_000}

            def test_of_the_fixture(self, sim):
                assert limits(sim) == (5_000, 7_200, 30)
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=4)


def test_a_limit_that_is_none_is_told_by_name(pytester):
    pytester.makepyfile("def test_it(sim): pass")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-o", "simsock_max_steps=many")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*simsock_max_steps: expected a whole number of steps, got 'many'*"])
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-o", "simsock_max_time=soon")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*max_time: *'soon'*"])
