"""Entry point of the program."""

from uhome2mqtt.cli import main

if __name__ == "__main__":
    main()
