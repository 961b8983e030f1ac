"""The scenarios of ``faulty/`` are searched by ``test_faulty_servers.py`` and by ``python -m tests.quality.guided``, each for as long as it takes there."""

collect_ignore_glob = ["faulty/*.toml"]
