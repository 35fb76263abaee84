#!/bin/sh
# test_docs.sh - docs/config.md is what the key table says, and links in docs/ lead somewhere.
. tests/support/cases.sh
links_lead_somewhere() {
    lost=0
    for page in README.md docs/*.md; do
        [ -f "$page" ] || continue
        for target in $(grep -o '](\([^)#]*\)' "$page" | sed 's/^](//' | grep -v '^[a-z]*:'); do
            [ -e "$(dirname "$page")/$target" ] || { echo "$page: no $target" && lost=1; }
        done
    done
    return $lost
}
expect_ok "docs/config.md is up to date" make -s docs-check MODE="${MODE:-release}"
expect_ok "links lead somewhere" links_lead_somewhere
finish
