"""`python -m tina_kit` is the console script `tina-kit`."""

from tina_kit.cli import main

if __name__ == "__main__":
    main()
