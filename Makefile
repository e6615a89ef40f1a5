# The front door; meson does the building. Targets install what they need and lack (packages/*.txt, tools/need).
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60
BUILD = build
CONFIG ?= examples/crosspoint.yaml

.DEFAULT_GOAL := all
.PHONY: all test demo run bench soak fuzz install clean

all:
	@tools/need build run
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD) --buildtype=release -Db_lto=true
	@ninja -C $(BUILD)

test:
	@tools/need build run test
	@tools/run-tests

demo: all
	@tools/need demo
	@tools/demo

run: all
	$(BUILD)/crosspoint serve -c $(CONFIG)

bench: all
	@tools/need test
	@bench/run

# An hour: 100,000 calls whose CANCEL meets the 200, and a million calls with an eye on memory.
soak: all
	@tools/need test
	@cd test/live && RACE_CALLS=100000 /usr/bin/python3 -m pytest -q -s -p no:cacheprovider test_race.py
	@bench/run --rows soak

fuzz:
	@tools/need build run test
	@tools/run-tests --only fuzz --fuzz-seconds $(FUZZ_SECONDS)

install: all
	@meson configure $(BUILD) -Dprefix='$(PREFIX)'
	DESTDIR='$(DESTDIR)' meson install -C $(BUILD)

clean:
	rm -rf build build-*
