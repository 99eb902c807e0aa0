"""What a scraper understands of the metrics, in either format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain
from prometheus_client.samples import Sample

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
"""What a Prometheus server says that it accepts."""


class Scraped:
    """One scrape, by the name of a sample and the values of its labels in the order of their names."""

    def __init__(self, text: str, media_type: str) -> None:
        parse = openmetrics if media_type.startswith("application/openmetrics-text") else plain
        families: Iterable[Metric] = parse(text)
        self.families = {family.name: family for family in families}
        self._samples = {_key(sample): sample for family in self.families.values() for sample in family.samples}

    def __getitem__(self, key: str | tuple[str, ...]) -> float:
        return float(self._samples[(key,) if isinstance(key, str) else key].value)

    def __contains__(self, key: str | tuple[str, ...]) -> bool:
        return ((key,) if isinstance(key, str) else key) in self._samples

    @property
    def names(self) -> set[str]:
        """The names as queries have them; a histogram by the one that is common to its samples."""
        return {self._queried(family) for family in self.families.values() if family.samples}

    def samples(self, name: str) -> Iterator[Sample]:
        """Give all samples of one name."""
        return (sample for key, sample in self._samples.items() if key[0] == name)

    def total(self, name: str, **labels: str) -> float:
        """Add up the samples of a name that have some labels."""
        wanted = labels.items()
        return sum(sample.value for sample in self.samples(name) if wanted <= sample.labels.items())

    @staticmethod
    def _queried(family: Metric) -> str:
        endings = {"counter": "_total", "info": "_info"}
        ending = endings.get(family.type, "")
        return family.name if family.name.endswith(ending) else f"{family.name}{ending}"


def _key(sample: Sample) -> tuple[str, ...]:
    return sample.name, *(value for _, value in sorted(sample.labels.items()))
