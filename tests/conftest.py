"""One thread, no display, and the shape annotations of nadyn checked at run time."""

import gc
import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["MPLBACKEND"] = "agg"
# What is imported and collected stays, and is not to be looked through for garbage again and again.
gc.disable()

import jaxtyping
import shape_checks

# Before the first import of nadyn: only modules imported afterwards are checked.
shape_checks.install()

import pytest

# No power is cut while tests run, and waiting for the disk costs more than they do. What is to be synced is
# looked at where that is asked, in tests/attack.
os.fsync = os.fdatasync = lambda descriptor: None


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """The whole suite uses the cores of the machine, four at most; a part that somebody names, one process.

    The tests of a file stay in one process, where they share what was trained or labelled for them. `-n 0`
    turns it off, and without pytest-xdist it is one process as well.
    """
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.collectonly
    if not whole or hasattr(config, "workerinput") or not config.pluginmanager.hasplugin("xdist"):
        return
    if config.option.numprocesses is None and not config.option.usepdb:
        config.option.numprocesses = min(4, len(os.sched_getaffinity(0)))
        if config.option.dist == "no":
            config.option.dist = "loadfile"
        # Not by the number of tests, which says little of their time.
        config.option.loadscopereorder = False


# What takes longest begins first, so that no process is left with it at the end.
FIRST = (
    "tests/contracts/test_every_model.py",
    "tests/contracts/test_every_method.py",
    "tests/dynamics/run/test_direct_dynamics.py",
    "tests/training/test_time_limit.py",
    "tests/contracts/test_signs_and_memory.py",
    "tests/dynamics/run/test_run.py",
)


def pytest_collection_modifyitems(items):
    def place(item):
        name = item.nodeid.partition("::")[0]
        return FIRST.index(name) if name in FIRST else len(FIRST)

    items.sort(key=place)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop():
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    shape_checks.begin_test()


@pytest.fixture
def unchecked_annotations():
    """Call nadyn as a user does, with annotations unchecked.

    For tests of the sentences with which nadyn itself refuses a wrong shape or type, and for long runs of
    small models, where checking costs more than the work.
    """
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
