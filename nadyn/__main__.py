"""`python -m nadyn` is the program `nadyn`."""

from nadyn.cli.main import main

if __name__ == "__main__":
    main()
