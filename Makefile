# mdet: `make help` lists the targets.
#
# Objects live in build/$(MODE)/, so that configurations never mix.
CC       ?= gcc
MODE     ?= release#         release | debug | asan | tsan
PREFIX   ?= /usr/local
DESTDIR  ?=
ONEDNN   ?= auto#            auto | 0 | 1
OPENMP   ?= auto
JPEG     ?= auto
PNG      ?= auto

VERSION  := 0.1.0
BUILD    := build/$(MODE)

# ---- features: one probe, which prints what it found --------------------------------------

FEATURES := $(BUILD)/features.mk
ifeq ($(filter clean help format setup,$(MAKECMDGOALS)),)
$(shell mkdir -p $(BUILD) && CC="$(CC)" ONEDNN=$(ONEDNN) OPENMP=$(OPENMP) JPEG=$(JPEG) PNG=$(PNG) \
        sh tools/probe.sh > $(FEATURES).new && \
        (cmp -s $(FEATURES).new $(FEATURES) || mv $(FEATURES).new $(FEATURES)); rm -f $(FEATURES).new)
-include $(FEATURES)
endif

# ---- flags ----------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
CPPFLAGS += -Iinclude -Ilib -D_GNU_SOURCE $(FEATURE_DEFS)
CFLAGS_release := -O3 -g
CFLAGS_debug   := -O0 -g3
CFLAGS_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_tsan    := -O1 -g -fsanitize=thread
LDFLAGS_asan   := -fsanitize=address,undefined
LDFLAGS_tsan   := -fsanitize=thread
# Exactness: no contraction into fused multiply-adds behind our back.
BASE_CFLAGS := -std=c11 -ffp-contract=off -fPIC -fvisibility=hidden -pthread $(WARNINGS) \
               $(CFLAGS_$(MODE)) $(FEATURE_CFLAGS)
LIBS := $(FEATURE_LIBS) -lm -pthread

# ---- sources: by wildcard, one folder a layer ----------------------------------------------

LIB_DIRS := core tensor backend backend/ref backend/cpu config nn model weights image data train eval draw api
ifeq ($(HAVE_ONEDNN),1)
LIB_DIRS += backend/cpu/onednn
endif
LIB_SRC  := $(foreach d,$(LIB_DIRS),$(wildcard lib/$(d)/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o)
PROGRAM_SRC := $(wildcard examples/md_*.c)
PROGRAMS := $(patsubst examples/md_%.c,build/bin/md-%,$(PROGRAM_SRC))
TEST_SRC := $(sort $(wildcard tests/*/test_*.c) $(wildcard tests/*/*/test_*.c))
TESTS    := $(TEST_SRC:tests/%.c=$(BUILD)/tests/%)
TEST_SUPPORT := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))

.PHONY: all lib programs test test-asan test-tsan lint format clean help
.DEFAULT_GOAL := all
all: lib programs

lib: $(BUILD)/libmdet_internal.a

$(BUILD)/%.o: %.c $(FEATURES)
	@mkdir -p $(@D)
	@echo "CC   $<"
	@$(CC) $(CPPFLAGS) $(BASE_CFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/libmdet_internal.a: $(LIB_OBJ)
	@echo "AR   $@"
	@rm -f $@ && ar rcs $@ $^

programs: $(PROGRAMS)

build/bin/md-%: examples/md_%.c $(BUILD)/libmdet_internal.a
	@mkdir -p $(@D)
	@echo "LD   $@"
	@$(CC) $(CPPFLAGS) $(BASE_CFLAGS) $(CFLAGS) $< -o $@ $(BUILD)/libmdet_internal.a $(LDFLAGS_$(MODE)) $(LDFLAGS) $(LIBS)

# A test file is a program: adding one edits nothing else.
$(BUILD)/tests/%: tests/%.c $(TEST_SUPPORT) $(BUILD)/libmdet_internal.a
	@mkdir -p $(@D)
	@echo "TEST $<"
	@$(CC) $(CPPFLAGS) -Itests $(BASE_CFLAGS) $(CFLAGS) -MMD -MP -MF $@.d $< -o $@ $(TEST_SUPPORT) \
	    $(BUILD)/libmdet_internal.a $(LDFLAGS_$(MODE)) $(LDFLAGS) $(CHECK_LIBS) $(LIBS)

test: $(TESTS)
	@sh tools/run_tests.sh $(TESTS)

# One folder or file of tests: make test-only T=core  or  T=core/test_json
test-only: $(filter $(BUILD)/tests/$(T)%,$(TESTS))
	@sh tools/run_tests.sh $^

clean:
	rm -rf build

-include $(LIB_OBJ:.o=.d) $(TESTS:=.d) $(TEST_SUPPORT:.o=.d)
