#!/usr/bin/env bash
# Builds the collection, looks at what is in the tarball, and lets Galaxy's own importer look at it.
set -euo pipefail

output=$(mktemp -d)
trap 'rm -rf "$output"' EXIT
ansible-galaxy collection build --output-path "$output" >"$output/log" || { cat "$output/log"; exit 1; }
tarball=$(echo "$output"/airlift-registry-*.tar.gz)

shipped='^(MANIFEST\.json|FILES\.json|(README|CHANGELOG)\.md|LICENSE|(changelogs|docs|meta|playbooks|plugins|roles)/.*)$'
if tar -tzf "$tarball" | grep -vE "$shipped" || tar -tzf "$tarball" | grep __pycache__; then
    echo "This must not be in the tarball; see build_ignore in galaxy.yml."
    exit 1
fi

# ansible-test, ansible-lint and ruff have looked at the sources already.
cat >"$output/importer.cfg" <<'END'
[galaxy-importer]
RUN_ANSIBLE_TEST = False
RUN_ANSIBLE_LINT = False
RUN_FLAKE8 = False
CHECK_REQUIRED_TAGS = True
END
cd "$output"
if ! GALAXY_IMPORTER_CONFIG=importer.cfg python -m galaxy_importer.main "$tarball" >log 2>&1 || grep -E '^(WARNING|ERROR)' log; then
    cat log
    exit 1
fi
