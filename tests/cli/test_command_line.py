"""What every command shares: quick help, one line for an error, exit codes, the nearest known name."""

import subprocess
import sys
import types
import warnings

import pytest

import nadyn
from nadyn.checks.errors import InputError, RunError
from nadyn.cli import main as program

HEAVY = ("torch", "scipy", "matplotlib", "h5py", "ase")


def modules_after(*arguments: str) -> set[str]:
    """Return the top-level modules that a fresh process has loaded after `nadyn <arguments>`."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('\\nLOADED', *sorted({name.split('.')[0] for name in sys.modules})))\n"
        "from nadyn.cli.main import main\n"
        f"main({list(arguments)!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("LOADED")[2].split())


@pytest.fixture
def command_that(monkeypatch):
    """Put a command `probe` in the table that does what the test wants."""

    def install(action):
        module = types.ModuleType("nadyn_probe_command")

        def probe(steps: int = 1) -> None:
            """Do what the test wants."""
            action(steps)

        module.probe = probe
        monkeypatch.setitem(sys.modules, "nadyn_probe_command", module)
        monkeypatch.setitem(program.COMMANDS, "probe", "nadyn_probe_command")

    return install


def run_program(capsys, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as leaving:
        program.main(arguments)
    captured = capsys.readouterr()
    return leaving.value.code, captured.out, captured.err


def raising(error: BaseException):
    def action(steps: int) -> None:
        raise error

    return action


def test_the_help_loads_nothing_heavy():
    assert modules_after("--help").isdisjoint(HEAVY)


def test_importing_the_package_loads_nothing_heavy():
    code = "import nadyn, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()).isdisjoint(HEAVY)


@pytest.mark.parametrize("command", program.COMMANDS)
def test_the_help_of_each_command_says_what_it_does(command, capsys):
    code, out, err = run_program(capsys, *command.split(), "--help")
    assert code == 0
    assert err == ""
    assert "Usage" in out
    assert f"nadyn {command}" in out


def test_the_help_names_every_command(capsys):
    code, out, _ = run_program(capsys, "--help")
    assert code == 0
    assert all(command.split()[0] in out for command in program.COMMANDS)


def test_without_arguments_the_help_is_shown(capsys):
    code, out, _ = run_program(capsys)
    assert code == 0
    assert "Usage" in out


def test_the_version_is_the_one_of_the_package(capsys):
    assert run_program(capsys, "--version") == (0, f"nadyn {nadyn.__version__}\n", "")


def test_an_input_error_is_one_line_and_exit_code_2(capsys, command_that):
    command_that(raising(InputError("`dt_fs` must be positive, but is -1.\nTry 0.5.")))
    assert run_program(capsys, "probe") == (2, "", "nadyn: `dt_fs` must be positive, but is -1. Try 0.5.\n")


def test_work_that_could_not_be_finished_is_exit_code_1(capsys, command_that):
    command_that(raising(RunError("all trajectories stopped.")))
    assert run_program(capsys, "probe") == (1, "", "nadyn: all trajectories stopped.\n")


def test_a_full_disk_is_one_line_and_exit_code_1(capsys, command_that):
    command_that(raising(OSError(28, "No space left on device", "run.h5")))
    code, _, err = run_program(capsys, "probe")
    assert code == 1
    assert err == "nadyn: 'run.h5': no space left on device.\n"


def test_a_warning_is_one_line_and_the_work_goes_on(capsys, command_that):
    command_that(lambda steps: warnings.warn("2 frequencies\nare soft.", UserWarning, stacklevel=1))
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert run_program(capsys, "probe") == (0, "", "nadyn: warning: 2 frequencies are soft.\n")


def test_ctrl_c_is_exit_code_130(capsys, command_that):
    command_that(raising(KeyboardInterrupt()))
    assert run_program(capsys, "probe") == (130, "", "nadyn: interrupted.\n")


def test_a_defect_of_the_program_is_not_hidden(command_that):
    command_that(raising(ZeroDivisionError("a defect")))
    with pytest.raises(ZeroDivisionError):
        program.main(["probe"])


@pytest.mark.parametrize("arguments", [["--debug", "probe"], ["probe", "--debug"]])
def test_debug_shows_the_traceback_wherever_it_stands(arguments, capsys, command_that):
    command_that(raising(InputError("`x` must be finite.")))
    code, _, err = run_program(capsys, *arguments)
    assert code == 2
    assert "Traceback" in err
    assert err.endswith("nadyn: `x` must be finite.\n")


def test_an_unknown_command_suggests_the_nearest(capsys):
    code, _, err = run_program(capsys, "trian")
    assert (code, err) == (2, "nadyn: `trian` is not a known command. Did you mean `train`?\n")


def test_a_command_unlike_any_other_lists_the_known(capsys):
    code, _, err = run_program(capsys, "zzz")
    assert code == 2
    assert err.count("\n") == 1
    assert all(command in err for command in program.COMMANDS)


@pytest.mark.parametrize("arguments", [["--stpes", "2"], ["--steps", "two"], ["surplus"]])
def test_a_wrong_argument_is_one_line_and_exit_code_2(arguments, capsys, command_that):
    command_that(lambda steps: None)
    code, out, err = run_program(capsys, "probe", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("nadyn: ")
    assert err.count("\n") == 1
    assert arguments[-1] in err or arguments[0] in err


def test_an_option_of_other_commands_is_answered_with_their_names(capsys):
    code, out, error = run_program(capsys, "train", "a.xyz", "--output", "m.safetensors", "--energy-key", "E")
    assert (code, out) == (2, "") and error.endswith(
        "o such option: --energy-key. It is an option of `nadyn convert` and `nadyn info`.\n"
    )


def test_a_name_for_a_run_beside_must_come_with_that_run(capsys, tmp_path):
    code, _, error = run_program(capsys, "report", "run.h5", "--beside-name", "the reference")
    assert code == 2 and "`--beside-name` must come with `--beside`" in error


def test_options_reach_the_command(capsys, command_that):
    seen = []
    command_that(seen.append)
    assert run_program(capsys, "probe", "--steps", "7")[0] == 0
    assert seen == [7]
