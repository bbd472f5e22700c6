# dist - build, test, install
#
#   make                  the library and the tools, below build/default/
#   make check            every test; check-unit, check-servers and check-e2e are its rings
#   make lint             format, static analysis, floors, pages
#   make coverage         line coverage of lib/ over all tests
#   make bench            how fast, in how long, at what cost, beside what the servers could do; BENCH="--json ..."
#   make bench-adapters   each adapter to a server of its kind; BENCH="--count 1000 S3"
#   make chaos            random faults while distributions are in flight; CHAOS="--seed 7 --duration 300"
#   make fuzz             random inputs for the parsers (clang's libFuzzer), each for FUZZ_SECONDS=60; FUZZ="csv xml"
#   make valgrind         the unit and server rings below valgrind
#   make install          DESTDIR and PREFIX as usual
#
# SANITIZE=address,undefined builds and tests in a folder of its own; so does COVERAGE=1. WERROR= (empty) keeps
# warnings from being errors.

ifeq ($(origin CC),default)
CC := gcc
endif
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
WERROR ?= 1
FUZZ_SECONDS ?= 60
FUZZ_CC ?= clang
PKG_CONFIG ?= pkg-config

comma := ,
variant := $(if $(SANITIZE),$(subst $(comma),-,$(SANITIZE)),$(if $(COVERAGE),coverage,default))
B := build/$(variant)

warnings := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wvla \
	-Wformat=2 $(if $(WERROR),-Werror)
hardening := -fstack-protector-strong -fPIE $(if $(SANITIZE)$(COVERAGE),,-D_FORTIFY_SOURCE=2)
packages := libcurl hiredis libpq librabbitmq jansson libcrypto libssl libevent_core libsystemd libpcre2-8 libxml-2.0 zlib
instrument := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer) \
	$(if $(COVERAGE),--coverage -fprofile-update=atomic -O0)
base_cflags := -std=c17 -D_GNU_SOURCE $(warnings) -isystem $(shell $(PKG_CONFIG) --variable=includedir libpq) \
	$(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags-only-I libxml-2.0))
lib_cflags := $(base_cflags) -include lib/base/banned.h
ldflags := -pie -Wl,-z,relro,-z,now $(instrument) $(LDFLAGS)
libs := $(shell $(PKG_CONFIG) --libs $(packages)) -ljq -lm

# The floors: a file sees its own folder and those below, and the compiler finds nothing else.
see_base := -iquote lib/base
see_model := -iquote lib/model $(see_base)
see_wire := -iquote lib/wire $(see_base)
see_store := -iquote lib/store -iquote lib/model $(see_wire)
see_deliver := -iquote lib/deliver -iquote lib/model $(see_wire)
see_stage := -iquote lib/stage -iquote lib/store $(see_deliver)
see_run := -iquote lib/run $(see_stage)
see_cmd := $(see_run)
floors := base model wire store deliver stage run

tools := $(patsubst cmd/%.c,%,$(wildcard cmd/dist-*.c))
lib_sources := $(foreach floor,$(floors),$(wildcard lib/$(floor)/*.c))
migrations := $(sort $(wildcard sql/*.sql))
lib_objects := $(lib_sources:%.c=$(B)/%.o) $(B)/lib/store/migrations.o
tool_programs := $(tools:%=$(B)/cmd/%)
receiver := $(B)/tests/receiver/dist-receiver
webhdfs := $(B)/tests/webhdfs/dist-webhdfs
pace := $(B)/tests/bench/pace
mailbox := $(B)/tests/mailbox/mailbox
stages := $(B)/tests/bench/stages
unit_tests := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
server_tests := $(patsubst %.c,$(B)/%,$(wildcard tests/servers/test_*.c))
server_shared := $(patsubst %.c,$(B)/%.o,$(filter-out tests/servers/test_%.c,$(wildcard tests/servers/*.c)))
fuzz_targets := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz_programs := $(fuzz_targets:%=$(B)/tests/fuzz/fuzz_%)
pages := $(wildcard man/*.[1-8])

.PHONY: all check check-unit check-servers check-e2e lint coverage bench bench-adapters chaos fuzz valgrind install \
	uninstall clean test-programs fuzz-programs build-fuzz-programs print-cflags print-build
.DELETE_ON_ERROR:
.SECONDARY:

all: $(B)/libdist.a $(tool_programs)

$(B)/libdist.a: $(lib_objects)
	@rm -f $@
	ar rcs $@ $^

define compile_floor
$(B)/lib/$(1)/%.o: lib/$(1)/%.c
	@mkdir -p $$(@D)
	$$(CC) $$(lib_cflags) $$(CFLAGS) $$(hardening) $$(instrument) $$(see_$(1)) -MMD -MP -c -o $$@ $$<
endef
$(foreach floor,$(floors),$(eval $(call compile_floor,$(floor))))

$(B)/lib/store/migrations.c: scripts/embed-sql $(migrations)
	@mkdir -p $(@D)
	scripts/embed-sql $(migrations) > $@
$(B)/lib/store/migrations.o: $(B)/lib/store/migrations.c
	$(CC) $(base_cflags) -Wno-overlength-strings $(CFLAGS) $(hardening) $(instrument) $(see_store) -MMD -MP -c -o $@ $<

$(B)/cmd/%.o: cmd/%.c
	@mkdir -p $(@D)
	$(CC) $(lib_cflags) $(CFLAGS) $(hardening) $(instrument) $(see_cmd) -MMD -MP -c -o $@ $<
$(B)/cmd/dist-%: $(B)/cmd/dist-%.o $(B)/libdist.a
	$(CC) $(ldflags) -o $@ $< $(B)/libdist.a $(libs)

# Tests see every floor; they are not shipped, so they may use what the library may not.
$(B)/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(CC) $(base_cflags) $(CFLAGS) $(hardening) $(instrument) $(see_cmd) -iquote $(<D) -MMD -MP -c -o $@ $<
$(unit_tests): %: %.o $(B)/libdist.a
	$(CC) $(ldflags) -o $@ $< $(B)/libdist.a $(libs) -lcmocka
$(server_tests): %: %.o $(server_shared) $(B)/libdist.a
	$(CC) $(ldflags) -o $@ $< $(server_shared) $(B)/libdist.a $(libs) -lcmocka
receiver_objects := $(patsubst %.c,$(B)/%.o,$(wildcard tests/receiver/*.c))
$(receiver): $(receiver_objects)
	$(CC) $(ldflags) -o $@ $^ $(libs)
$(B)/tests/webhdfs/%.o: see_cmd += -iquote tests/servers
$(webhdfs): $(B)/tests/webhdfs/main.o $(B)/tests/servers/namenode.o $(B)/tests/servers/little_http.o $(B)/libdist.a
	$(CC) $(ldflags) -o $@ $^ $(libs)
$(pace): %: %.o
	$(CC) $(ldflags) -o $@ $<
$(mailbox): %: %.o
	$(CC) $(ldflags) -o $@ $< $(shell $(PKG_CONFIG) --libs librabbitmq jansson)
$(stages): %: %.o $(B)/libdist.a
	$(CC) $(ldflags) -o $@ $< $(B)/libdist.a $(libs)

# What reads the texts of others, by itself: it needs no server, and so only the floors that know none.
fuzzed := $(filter $(B)/lib/base/% $(B)/lib/model/% $(B)/lib/wire/xml_% $(B)/lib/wire/soap_%,$(lib_objects))
$(B)/libfuzzed.a: $(fuzzed)
	@rm -f $@
	ar rcs $@ $^
$(fuzz_programs): %: %.o $(B)/tests/fuzz/parts.o $(B)/libfuzzed.a
	$(CC) $(ldflags) -fsanitize=fuzzer -o $@ $< $(B)/tests/fuzz/parts.o $(B)/libfuzzed.a \
		$(shell $(PKG_CONFIG) --libs jansson libcrypto libpcre2-8 libxml-2.0) -lm

test-programs: all $(receiver) $(webhdfs) $(pace) $(mailbox) $(stages) $(unit_tests) $(server_tests)

check: test-programs
	scripts/run-tests --build $(B) unit servers e2e
check-unit: $(unit_tests)
	scripts/run-tests --build $(B) unit
check-servers: $(server_tests) $(receiver)
	scripts/run-tests --build $(B) servers
check-e2e: all $(receiver) $(webhdfs) $(pace) $(mailbox) $(stages)
	scripts/run-tests --build $(B) e2e
valgrind: test-programs
	scripts/run-tests --build $(B) --valgrind unit servers

lint:
	scripts/lint

coverage:
	$(MAKE) COVERAGE=1 test-programs
	find build/coverage -name '*.gcda' -delete
	scripts/run-tests --build build/coverage unit servers e2e
	scripts/coverage build/coverage

bench: all $(receiver) $(pace) $(stages)
	scripts/bench --build $(B) $(BENCH)
bench-adapters: all $(receiver) $(mailbox) $(webhdfs)
	scripts/bench-adapters --build $(B) $(BENCH)

chaos: all $(receiver)
	scripts/chaos --build $(B) $(CHAOS)

# libFuzzer is clang's, and its programs have a folder of their own.
fuzz-programs:
	$(MAKE) CC=$(FUZZ_CC) CFLAGS='-O1 -gline-tables-only' SANITIZE=fuzzer-no-link,address,undefined \
		COVERAGE= variant=fuzz build-fuzz-programs
build-fuzz-programs: $(fuzz_programs)
fuzz: fuzz-programs
	scripts/fuzz --seconds $(FUZZ_SECONDS) $(FUZZ)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSCONFDIR)/dist/destinations.d \
		$(DESTDIR)$(SYSCONFDIR)/dist/schemas.d $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 0755 $(tool_programs) $(DESTDIR)$(PREFIX)/bin
	install -d -m 0750 $(DESTDIR)$(SYSCONFDIR)/dist/credentials.d
	for page in $(pages); do \
		folder=$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}; \
		install -d $$folder && install -m 0644 $$page $$folder || exit 1; done
	for unit in systemd/*; do \
		to=$(DESTDIR)$(UNITDIR)/$${unit##*/}; \
		sed 's|/usr/local/bin|$(PREFIX)/bin|g' $$unit > $$to && chmod 0644 $$to || exit 1; done
	install -m 0644 completions/dist.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/dist.bash
	for tool in $(tools); do \
		ln -sf dist.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$tool || exit 1; done

uninstall:
	for tool in $(tools); do \
		rm -f $(DESTDIR)$(PREFIX)/bin/$$tool $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$tool; done
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/dist.bash
	for page in $(pages); do rm -f $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done
	for unit in $(notdir $(wildcard systemd/*)); do rm -f $(DESTDIR)$(UNITDIR)/$$unit; done

clean:
	rm -rf build

# For scripts: the flags of a floor, and the folder that is built into.
print-cflags:
	@echo $(if $(filter cmd,$(FLOOR)),$(lib_cflags) $(see_cmd),$(lib_cflags) $(see_$(FLOOR)))
print-build:
	@echo $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
