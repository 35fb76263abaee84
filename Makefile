# mdet: `make help` lists the targets.
#
# Objects live in build/$(MODE)/, so that configurations never mix.
CC       ?= gcc
MODE     ?= release#         release | debug | asan | tsan | fuzz | cov | gpu (tests run on a real GPU)
PREFIX   ?= /usr/local
DESTDIR  ?=
ONEDNN   ?= auto#            auto | 0 | 1
OPENMP   ?= auto
JPEG     ?= auto
PNG      ?= auto
EXPAT    ?= auto
CUDA     ?= auto#            the CUDA toolkit, for device cuda
CUEMU    ?= auto#            g++, for the emulated device that the tests run kernels on
NVCC_GENCODE ?= auto#        architectures to compile kernels for: auto, all, or nvcc's own flags
JOBS     ?= 2#               test programs at a time
T        ?=#                 test-only: a prefix below tests/
SECONDS  ?= 60#              fuzz: for each target
TARGET   ?=#                 fuzz: one of them; all when empty

# Without a word about it, as many compilers run as there are cores.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc 2> /dev/null || echo 1)
endif

VERSION  := 0.1.0
SONAME   := libmdet.so.0
BUILD    := build/$(MODE)
# Where the libraries and programs go: build/ itself for a release.
OUT      := $(if $(filter release,$(MODE)),build,$(BUILD))

ifeq ($(filter release debug asan tsan fuzz cov gpu,$(MODE)),)
$(error MODE is release, debug, asan, tsan, fuzz, cov or gpu, not '$(MODE)')
endif

# libgomp and oneDNN are not instrumented: every parallel loop would look like a race.
ifneq ($(filter tsan fuzz,$(MODE)),)
override ONEDNN := 0
override OPENMP := 0
endif
# The toolkit's code is not instrumented. The emulated device is, and is in all but two modes.
ifneq ($(filter asan tsan fuzz cov,$(MODE)),)
override CUDA := 0
endif
ifneq ($(filter fuzz gpu,$(MODE)),)
override CUEMU := 0
endif
ifeq ($(MODE),gpu)
override CUDA := 1
endif

# ---- features: what is missing is installed, then one probe says what is there -------------

FEATURES := $(BUILD)/features.mk
ifneq ($(filter-out clean help format setup uninstall,$(or $(MAKECMDGOALS),all)),)
$(shell CC="$(CC)" sh tools/setup.sh)
ifneq ($(.SHELLSTATUS),0)
$(error the build cannot go on without the packages named above)
endif
$(shell mkdir -p $(BUILD) && CC="$(CC)" ONEDNN=$(ONEDNN) OPENMP=$(OPENMP) JPEG=$(JPEG) PNG=$(PNG) \
        EXPAT=$(EXPAT) CUDA=$(CUDA) CUEMU=$(CUEMU) NVCC_GENCODE="$(NVCC_GENCODE)" sh tools/probe.sh > $(FEATURES).new && \
        { cmp -s $(FEATURES).new $(FEATURES) || { sed -n 's/^\# \(found:\)/\1/p' $(FEATURES).new >&2; \
        mv $(FEATURES).new $(FEATURES); }; }; rm -f $(FEATURES).new)
include $(FEATURES)
endif

# ---- flags ----------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
CPPFLAGS += -Iinclude -Ilib -D_GNU_SOURCE $(FEATURE_DEFS)
CFLAGS_release := -O3 -g
CFLAGS_debug   := -O0 -g3
CFLAGS_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_tsan    := -O1 -g -fsanitize=thread
# A parser behind a checksum would see nothing but refused input.
CFLAGS_gpu     := $(CFLAGS_release)
CFLAGS_fuzz    := $(CFLAGS_asan) -fsanitize=fuzzer-no-link -DMD_FUZZING=1
CFLAGS_cov     := -O0 -g --coverage -fprofile-update=atomic
LDFLAGS_asan   := -fsanitize=address,undefined
LDFLAGS_tsan   := -fsanitize=thread
LDFLAGS_fuzz   := $(LDFLAGS_asan)
LDFLAGS_cov    := --coverage
# Exactness: no contraction into fused multiply-adds behind our back.
BASE_CFLAGS := -std=c11 -ffp-contract=off -fPIC -fvisibility=hidden -pthread $(WARNINGS) \
               $(CFLAGS_$(MODE)) $(FEATURE_CFLAGS)
# Tests run whole networks on the reference's plain loops: under the sanitizers they need all help.
ifneq ($(filter asan tsan cov,$(MODE)),)
$(BUILD)/lib/backend/ref/%.o: BASE_CFLAGS += -O3
endif
LIBS := $(FEATURE_LIBS) -lm -pthread
LINK := $(LDFLAGS_$(MODE)) $(LDFLAGS)

# ---- sources: by wildcard, one folder a layer ----------------------------------------------

LIB_DIRS := core tensor backend backend/ref backend/cpu config nn model weights image data group train eval draw report api
ifeq ($(HAVE_ONEDNN),1)
LIB_DIRS += backend/cpu/onednn
endif
CUDA_SRC   := $(wildcard lib/backend/cuda/*.c)
VENDOR_SRC := $(wildcard lib/backend/cuda/vendor/*.c)# cuDNN and cuBLASLt
KERNEL_SRC := $(wildcard kernels/*.cu)
ifeq ($(HAVE_CUDA),1)
LIB_DIRS += backend/cuda backend/cuda/vendor
KERNEL_OBJ := $(KERNEL_SRC:%.cu=$(BUILD)/%.o)
$(BUILD)/lib/backend/registry.o: CPPFLAGS += -DMD_WITH_CUDA=1
$(BUILD)/lib/backend/cuda/%.o: CPPFLAGS += -I. $(CUDA_CPPFLAGS)
endif
LIB_SRC  := $(foreach d,$(LIB_DIRS),$(wildcard lib/$(d)/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o) $(KERNEL_OBJ)
INTERNAL := $(BUILD)/libmdet_internal.a# every symbol: for the tests
INTERNAL_OBJ := $(LIB_OBJ)

# The emulated device: the cuda backend over a shim of the CUDA runtime, kernels by g++. It takes
# the real one's place in what tests are linked with, and is in nothing that is installed.
ifeq ($(HAVE_CUEMU),1)
EMULATED := $(BUILD)/cuemu
EMULATED_OBJ := $(patsubst %,$(EMULATED)/%.o,$(basename lib/backend/registry.c $(CUDA_SRC) $(KERNEL_SRC) \
                $(wildcard tests/cuemu/*.c tests/cuemu/*.cc tests/cuemu/*.cu) tests/support/half.c))
INTERNAL_OBJ := $(filter-out $(BUILD)/lib/backend/registry.o $(BUILD)/lib/backend/cuda/% $(KERNEL_OBJ),$(LIB_OBJ)) \
                $(EMULATED_OBJ)
TEST_LIBS := -lstdc++
endif
STATIC   := $(OUT)/lib/libmdet.a
SHARED   := $(OUT)/lib/libmdet.so.$(VERSION)

# examples/md_train.c -> md-train; bench/md_fps.c -> md-fps
PROGRAM_SRC := $(wildcard examples/md_*.c bench/md_*.c)
PROGRAMS := $(foreach p,$(PROGRAM_SRC),$(OUT)/bin/$(subst _,-,$(basename $(notdir $(p)))))
# Support is named from the including file or from examples/.
$(BUILD)/bench/md_%.o: CPPFLAGS += -Iexamples
PROGRAM_SUPPORT := $(patsubst %.c,$(BUILD)/%.o,$(wildcard examples/support/*.c))

TEST_SRC := $(sort $(wildcard tests/*/test_*.c) $(wildcard tests/*/*/test_*.c))
# Some look into the emulated device.
ifneq ($(HAVE_CUEMU),1)
TEST_SRC := $(filter-out tests/emulated/%,$(TEST_SRC))
endif
# Tests of kernels call launchers: on the emulated device, or with MODE=gpu on the real one.
ifeq ($(HAVE_CUEMU)$(filter gpu,$(MODE)),0)
TEST_SRC := $(filter-out tests/kernels/% tests/backend/test_cuda%,$(TEST_SRC))
endif
ifeq ($(MODE),gpu)
TEST_SRC := $(filter-out tests/backend/test_cuda_engines.c,$(TEST_SRC))# of the emulated vendor
endif
# Tests of the vendor's own libraries: the toolkit is enough, a GPU is not needed.
ifneq ($(HAVE_CUDA),1)
TEST_SRC := $(filter-out tests/cuda/%,$(TEST_SRC))
endif
VENDOR_OBJ := $(VENDOR_SRC:%.c=$(BUILD)/%.o)
$(patsubst %.c,$(BUILD)/%,$(filter tests/cuda/%,$(TEST_SRC))): $(VENDOR_OBJ)
$(BUILD)/tests/cuda/%: private CPPFLAGS += $(CUDA_CPPFLAGS)
$(BUILD)/tests/cuda/%: private TEST_OBJ = $(VENDOR_OBJ)
$(BUILD)/tests/emulated/%: private CPPFLAGS += -I. -Ikernels -Itests/cuemu/include
$(BUILD)/tests/kernels/% $(BUILD)/tests/backend/test_cuda%: private CPPFLAGS += -I. $(if $(filter gpu,$(MODE)),$(CUDA_CPPFLAGS),-Itests/cuemu/include)
TESTS    := $(TEST_SRC:tests/%.c=$(BUILD)/tests/%)
TEST_SCRIPTS := $(sort $(wildcard tests/*/test_*.sh))
TEST_SUPPORT := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZERS  := $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/fuzzers/%)
REPLAYS  := $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/tests/fuzz/replay_%)
# Small enough for a machine that is fifty times slower.
VALGRIND_TESTS ?= core/ config/ weights/ draw/ api/

.PHONY: all lib programs test test-only test-asan test-tsan test-valgrind fuzz coverage lint format symbols \
        budget kernels-all kernel-objects \
        bench demo docs docs-check install uninstall setup clean help
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
all: lib programs

# ---- the library ----------------------------------------------------------------------------

lib: $(INTERNAL) $(STATIC) $(SHARED)

$(BUILD)/%.o: %.c $(FEATURES)
	@mkdir -p $(@D)
	@echo "CC   $<"
	@$(CC) $(CPPFLAGS) $(BASE_CFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/sources.txt: FORCE
	@mkdir -p $(@D)
	@echo '$(LIB_OBJ) $(INTERNAL_OBJ)' | cmp -s - $@ || echo '$(LIB_OBJ) $(INTERNAL_OBJ)' > $@
.PHONY: FORCE

$(INTERNAL): $(INTERNAL_OBJ) $(BUILD)/sources.txt
	@echo "AR   $@"
	@rm -f $@ && ar rcs $@ $(INTERNAL_OBJ)

# ---- kernels: by nvcc for the device, by g++ for the emulated one ---------------------------

# Exactness: products and sums contract only where a kernel says so. See docs/kernels.md.
# The stubs that nvcc makes beside a kernel would want libstdc++ for a static that no launch here reads.
NVCC_HOST_FLAGS := -fPIC,-fvisibility=hidden,-Wall,-Wextra,-fno-threadsafe-statics,-fno-exceptions,-fno-rtti
NVCC_FLAGS := -std=c++17 -O3 --fmad=false -Ikernels -Ilib -Xcompiler $(NVCC_HOST_FLAGS) -Werror all-warnings

$(BUILD)/kernels/%.o: kernels/%.cu $(FEATURES)
	@mkdir -p $(@D)
	@echo "NVCC $<"
	@$(NVCC) $(NVCC_FLAGS) $(GENCODE) -Xptxas -v -MMD -MP -MF $(@:.o=.d) -c $< -o $@ 2> $(@:.o=.ptxas) || \
	    { cat $(@:.o=.ptxas) >&2 && rm -f $(@:.o=.ptxas) && false; }

# What the compiler said of registers and shared memory: tools/kernel_budget.sh holds it to this list.
budget: $(KERNEL_SRC:%.cu=$(BUILD)/%.o)
	@sh tools/kernel_budget.sh $(BUILD)/kernels --budget > kernels/budget.txt.new && mv kernels/budget.txt.new kernels/budget.txt

# Every architecture once, in a folder of its own.
kernels-all:
	@$(MAKE) --no-print-directory CUDA=1 NVCC_GENCODE=all BUILD=build/kernels-all kernel-objects
	@sh tools/kernel_budget.sh build/kernels-all/kernels
kernel-objects: $(KERNEL_SRC:%.cu=$(BUILD)/%.o)

CUEMU_FLAGS := -std=c++17 -DMD_CUEMU=1 -Ikernels -Ilib -Itests/cuemu -Itests/cuemu/include -ffp-contract=off -fPIC \
               -fvisibility=hidden -pthread -Wall -Wextra -Wno-unknown-pragmas -Werror $(CFLAGS_$(MODE)) $(FEATURE_CFLAGS)

# Under the thread sanitizer the kernels are watched, not the scheduler beneath them, which only tells
# what a barrier orders.
ifeq ($(MODE),tsan)
$(EMULATED)/tests/cuemu/cuemu.o $(EMULATED)/tests/cuemu/fiber.o: CUEMU_FLAGS := $(filter-out -fsanitize=thread,$(CUEMU_FLAGS)) -DFIBER_TSAN=1
endif

define emulate
$(EMULATED)/%.o: %.$(1) $(FEATURES)
	@mkdir -p $$(@D)
	@echo "EMU  $$<"
	@$$(CXX) $$(CUEMU_FLAGS) $$(CXXFLAGS) -x c++ -MMD -MP -c $$< -o $$@
endef
$(foreach suffix,cu cc,$(eval $(call emulate,$(suffix))))

$(EMULATED)/%.o: CPPFLAGS += -I. -DMD_CUDA_EMULATED=1 -Itests/cuemu -Itests/cuemu/include
$(EMULATED)/%.o: %.c $(FEATURES)
	@mkdir -p $(@D)
	@echo "EMU  $<"
	@$(CC) $(CPPFLAGS) $(BASE_CFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

# One relocatable object whose hidden symbols are local: internal names cannot meet the caller's.
$(STATIC): $(LIB_OBJ) $(BUILD)/sources.txt
	@mkdir -p $(@D)
	@echo "AR   $@"
	@ld -r -o $(BUILD)/mdet.o $(LIB_OBJ)
	@objcopy --localize-hidden $(BUILD)/mdet.o
	@rm -f $@ && ar rcs $@ $(BUILD)/mdet.o

$(SHARED): $(LIB_OBJ) $(BUILD)/sources.txt lib/libmdet.map
	@mkdir -p $(@D)
	@echo "LD   $@"
	@$(CC) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=lib/libmdet.map $(CFLAGS) $(LIB_OBJ) \
	    -o $@ $(LINK) $(LIBS)
	@ln -sf $(notdir $@) $(@D)/$(SONAME) && ln -sf $(SONAME) $(@D)/libmdet.so

# ---- programs: linked with what is exported, nothing else -----------------------------------

programs: $(PROGRAMS)

define program
$(OUT)/bin/$(subst _,-,$(basename $(notdir $(1)))): $(BUILD)/$(1:.c=.o) $(PROGRAM_SUPPORT) $(STATIC)
	@mkdir -p $$(@D)
	@echo "LD   $$@"
	@$$(CC) $$(BASE_CFLAGS) $$(CFLAGS) $$^ -o $$@ $$(LINK) $$(LIBS)
endef
$(foreach p,$(PROGRAM_SRC),$(eval $(call program,$(p))))

# They look inside, so they are no programs of the API.
bench: $(OUT)/bin/bench-ops $(OUT)/bin/bench-eval
ifneq ($(and $(BACKEND_THERE),$(filter 1,$(HAVE_CUDA) $(HAVE_CUEMU))),)
bench: $(OUT)/bin/bench-engines
endif
$(BUILD)/bench/bench_engines.o: CPPFLAGS += -I. $(if $(filter 1,$(HAVE_CUEMU)),-Itests/cuemu/include,$(CUDA_CPPFLAGS))
BENCH_SUPPORT := $(patsubst %.c,$(BUILD)/%.o,$(wildcard bench/ops_*.c))
$(OUT)/bin/bench-%: $(BUILD)/bench/bench_%.o $(BENCH_SUPPORT) $(INTERNAL)
	@mkdir -p $(@D)
	@echo "LD   $@"
	@$(CC) $(BASE_CFLAGS) $(CFLAGS) $^ -o $@ $(LINK) $(TEST_LIBS) $(LIBS)

# ---- tests: a file is a program, so adding one edits nothing else ---------------------------

$(BUILD)/tests/%: tests/%.c $(TEST_SUPPORT) $(INTERNAL)
	@mkdir -p $(@D)
	@echo "TEST $<"
	@$(CC) $(CPPFLAGS) -Itests -DBUILD_BIN='"$(OUT)/bin"' $(BASE_CFLAGS) $(CFLAGS) -MMD -MP -MF $@.d $< -o $@ \
	    $(TEST_SUPPORT) $(TEST_OBJ) $(INTERNAL) $(LINK) $(CHECK_LIBS) $(TEST_LIBS) $(LIBS)

# A script that runs make must find the same configuration.
PATIENCE ?= $(if $(filter asan tsan cov,$(MODE)),8,1)# times the seconds that a case may take
RUN_TESTS = CK_TIMEOUT_MULTIPLIER=$(PATIENCE) MDET_PLAN_CACHE=0 \
            CC="$(CC)" CFLAGS="$(CFLAGS)" LDFLAGS="$(LDFLAGS)" MODE=$(MODE) ONEDNN=$(ONEDNN) OPENMP=$(OPENMP) \
            JPEG=$(JPEG) PNG=$(PNG) EXPAT=$(EXPAT) CUDA=$(CUDA) CUEMU=$(CUEMU) JOBS=$(JOBS) BUILD=$(BUILD) sh tools/run_tests.sh

test: $(TESTS) $(REPLAYS) lib programs
	@$(RUN_TESTS) $(TESTS) $(TEST_SCRIPTS)

# One folder or file of tests: make test-only T=core  or  T=core/test_json
test-only: $(filter $(BUILD)/tests/$(T)%,$(TESTS)) | $(filter $(BUILD)/tests/$(T)%,$(REPLAYS)) $(if $(filter tests/$(T)%,$(TEST_SCRIPTS)),lib programs)
	@$(RUN_TESTS) $(filter-out lib programs,$^) $(filter tests/$(T)%,$(TEST_SCRIPTS))

test-asan:
	@$(MAKE) --no-print-directory test MODE=asan

test-tsan:
	@$(MAKE) --no-print-directory test MODE=tsan

VALGRIND := valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
            --show-leak-kinds=definite
# Thousands of lives with a failing allocation are for the sanitizers.
VALGRIND_RUNS := $(filter-out %/test_out_of_memory,\
                   $(foreach t,$(VALGRIND_TESTS),$(filter $(BUILD)/tests/$(t)%,$(TESTS)))) \
                 tests/programs/memcheck.sh
# oneDNN's wider code reads past the end of its own packed blocks, in whole vectors.
test-valgrind: PATIENCE := 50
test-valgrind: $(filter-out %.sh,$(VALGRIND_RUNS)) programs
	@RUNNER="$(VALGRIND)" DNNL_MAX_CPU_ISA=SSE41 ONEDNN_MAX_CPU_ISA=SSE41 \
	    $(RUN_TESTS) $(VALGRIND_RUNS)

# ---- fuzzing: tests/fuzz/fuzz_X.c, its seeds corpus/X/ and words X.dict; nothing else to edit -

fuzz:
	@SECONDS_EACH=$(SECONDS) MAKE="$(MAKE)" sh tools/fuzz.sh $(TARGET)

# By tools/fuzz.sh, with CC=clang MODE=fuzz.
$(BUILD)/fuzzers/%: tests/fuzz/%.c $(INTERNAL)
	@mkdir -p $(@D)
	@echo "FUZZ $<"
	@$(CC) $(CPPFLAGS) -Itests $(BASE_CFLAGS) -fsanitize=fuzzer $(CFLAGS) $< -o $@ $(INTERNAL) $(LINK) $(TEST_LIBS) $(LIBS)

# The same with a main that runs files: each seed and each find is a test of every build.
$(BUILD)/tests/fuzz/replay_%: tests/fuzz/%.c tests/fuzz/replay.c $(INTERNAL)
	@mkdir -p $(@D)
	@echo "TEST $<"
	@$(CC) $(CPPFLAGS) -Itests $(BASE_CFLAGS) $(CFLAGS) $(filter %.c,$^) -o $@ $(INTERNAL) $(LINK) $(TEST_LIBS) $(LIBS)

# Lines of lib/ that tests run: make coverage T=eval, or T=fuzz FILES="lib/weights/zip.c lib/weights/torch.c"
FILES ?= $(wildcard lib/$(firstword $(subst /, ,$(T)))/*.c)
coverage:
	@$(MAKE) --no-print-directory MODE=cov lib > build/coverage.log
	@sh tools/coverage.sh build/cov $(FILES) -- $(MAKE) --no-print-directory MODE=cov test-only T=$(T)

# ---- care -----------------------------------------------------------------------------------

lint: lib
	@CC="$(CC)" BUILD=$(BUILD) SHARED=$(SHARED) CFLAGS_FEATURES="$(FEATURE_DEFS) $(FEATURE_CFLAGS)" \
	    WARNINGS="$(WARNINGS)" sh tools/lint.sh

format:
	@sh tools/lint.sh sources | grep '\.c$$' | xargs clang-format-14 -i

# The list of exported names is part of the review: refresh it on purpose.
symbols: $(SHARED)
	@sh tools/lint.sh exported $(SHARED) > tests/api/symbols.txt

demo: programs
	@sh tools/demo.sh $(OUT)/bin

$(BUILD)/config_docs: $(BUILD)/tools/config_docs.o $(INTERNAL)
	@$(CC) $(BASE_CFLAGS) $(CFLAGS) $^ -o $@ $(LINK) $(TEST_LIBS) $(LIBS)

docs: $(BUILD)/config_docs
	@$< > docs/config.md.new && mv docs/config.md.new docs/config.md

# For a test: is docs/config.md what the table says?
docs-check: $(BUILD)/config_docs
	@$< | diff docs/config.md - || { echo 'docs/config.md is behind the key table: make docs' && false; }

# ---- install --------------------------------------------------------------------------------

INSTALLED := $(DESTDIR)$(PREFIX)
$(BUILD)/mdet.pc: mdet.pc.in Makefile FORCE
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@LIBS_PRIVATE@|$(strip $(LIBS))|' $< > $@

install: lib programs $(BUILD)/mdet.pc
	install -d $(INSTALLED)/bin $(INSTALLED)/include/mdet/md $(INSTALLED)/lib/pkgconfig
	install -m 644 include/md.h $(INSTALLED)/include/mdet
	install -m 644 include/md/*.h $(INSTALLED)/include/mdet/md
	install -m 644 $(STATIC) $(INSTALLED)/lib
	install -m 755 $(SHARED) $(INSTALLED)/lib
	ln -sf $(notdir $(SHARED)) $(INSTALLED)/lib/$(SONAME)
	ln -sf $(SONAME) $(INSTALLED)/lib/libmdet.so
	install -m 644 $(BUILD)/mdet.pc $(INSTALLED)/lib/pkgconfig
	$(if $(PROGRAMS),install -m 755 $(PROGRAMS) $(INSTALLED)/bin)

uninstall:
	rm -rf $(INSTALLED)/include/mdet
	rm -f $(INSTALLED)/lib/libmdet.a $(INSTALLED)/lib/libmdet.so $(INSTALLED)/lib/$(SONAME)
	rm -f $(INSTALLED)/lib/$(notdir $(SHARED)) $(INSTALLED)/lib/pkgconfig/mdet.pc
	$(if $(PROGRAMS),rm -f $(addprefix $(INSTALLED)/bin/,$(notdir $(PROGRAMS))))

setup:
	@CC="$(CC)" sh tools/setup.sh

clean:
	rm -rf build

help:
	@echo 'make                library and programs, in build/lib and build/bin'
	@echo 'make test           the whole suite          make test-only T=core/test_json   a part of it'
	@echo 'make test-asan      with the address and undefined-behaviour sanitizers'
	@echo 'make test-tsan      with the thread sanitizer'
	@echo 'make test-valgrind  the small tests, a short training and detection under valgrind'
	@echo 'make coverage T=eval    lines of lib/eval that the tests of that name run; FILES= for others'
	@echo 'make fuzz           feeds the parsers damaged files: SECONDS=60 for each target, or TARGET=pth'
	@echo 'make demo           trains a small model on drawn faces and shows what it finds'
	@echo 'make bench          build/bin/bench-ops, how fast each operation is; bench-eval, how fast AP is'
	@echo 'make install        DESTDIR= PREFIX=/usr/local; make uninstall takes it away'
	@echo 'make lint           layers, sizes, symbols, names, layout     make format   applies the layout'
	@echo 'make symbols        rewrites the list of exported names       make docs     rewrites docs/config.md'
	@echo 'make budget         rewrites kernels/budget.txt               make kernels-all every architecture once'
	@echo 'make setup          installs what is missing (Debian)         make clean    removes build/'
	@echo 'variables           CC MODE=release|debug|asan|tsan|gpu ONEDNN OPENMP JPEG PNG EXPAT CUDA CUEMU=auto|0|1 JOBS'

-include $(LIB_OBJ:.o=.d) $(EMULATED_OBJ:.o=.d) $(TESTS:=.d) $(TEST_SUPPORT:.o=.d) $(PROGRAM_SRC:%.c=$(BUILD)/%.d) $(PROGRAM_SUPPORT:.o=.d)
