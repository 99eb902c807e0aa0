.PHONY: help demo test benchmark fuzz mutate browser homeassistant nodered prometheus asyncapi kubernetes clusters chaos soak image systemd check clean

help:  ## say what can be made
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST)

demo:  ## run everything on this machine: simulated cloud, broker, bridge (options: make demo ARGS="--seconds 60")
	@scripts/setup demo
	@exec .venv/bin/uhome2mqtt demo $(ARGS)

test:  ## run all tests with the coverage gates (a part: make test ARGS="-k push")
	@scripts/test $(ARGS)

fuzz:  ## look for inputs from outside that break something (one target: make fuzz ARGS="--seconds 600 command")
	@scripts/fuzz $(ARGS)

mutate:  ## change the pure floors in one place at a time, and see that tests notice (make mutate ARGS="--sample 300")
	@scripts/mutate $(ARGS)

benchmark:  ## measure what the bridge costs, beside a bare pipeline (a part: make benchmark ARGS="pipelines --quick")
	@scripts/benchmark $(ARGS)

browser:  ## run the tests that need a Chromium
	@scripts/test-browser $(ARGS)

homeassistant:  ## run the tests that need a Home Assistant
	@scripts/test-homeassistant $(ARGS)

asyncapi:  ## hold docs/asyncapi.yaml against AsyncAPI's own parser
	@scripts/test-asyncapi $(ARGS)

kubernetes:  ## hold deploy/kubernetes against Kubernetes' schemas and the code
	@scripts/test-kubernetes $(ARGS)

clusters:  ## run the tests at clusters of brokers whose nodes are killed
	@scripts/test-clusters $(ARGS)

chaos:  ## break everything around the bridge at random, and see that it holds (make chaos ARGS="--seed 7")
	@scripts/chaos $(ARGS)

soak:  ## live for days with a bridge for which time flies, and see that nothing grows (make soak ARGS="--minutes 10")
	@scripts/soak $(ARGS)

nodered:  ## run the tests that need Node-RED
	@scripts/test-nodered $(ARGS)

prometheus:  ## run the tests that need a Prometheus
	@scripts/test-prometheus $(ARGS)

image:  ## build the image and run it (as root)
	@scripts/test-image $(ARGS)

systemd:  ## run the units under a real systemd (as root)
	@scripts/test-systemd $(ARGS)

check:  ## run formatter, linters, type checker and size gates
	@scripts/setup test,demo
	@scripts/check

clean:  ## remove what was made here
	rm -rf .venv .deps build dist htmlcov .coverage .coverage.* .hypothesis
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find uhome2mqtt tests scripts benchmarks -name __pycache__ -prune -exec rm -rf {} +
