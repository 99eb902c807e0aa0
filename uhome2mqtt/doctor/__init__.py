"""What is wrong with this installation, and how to mend it."""

from uhome2mqtt.doctor.examination import examine
from uhome2mqtt.doctor.findings import Blame, Finding, Verdict, blamed, written

__all__ = ["Blame", "Finding", "Verdict", "blamed", "examine", "written"]
