#!/usr/bin/env bash
# Installs the programs that tests/external talk to, where this is Debian or Ubuntu and the user may. What is missing afterwards is skipped by the tests, and said.
set -uo pipefail

packages=(chromium chromium-driver dicom3tools orthanc orthanc-dicomweb buildah debootstrap poppler-utils)

missing=()
for package in "${packages[@]}"; do
    dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing+=("$package")
done
if [[ ${#missing[@]} -eq 0 ]]; then
    exit 0
fi
if ! command -v apt-get >/dev/null || [[ $EUID -ne 0 ]]; then
    echo "not installed and not to be installed here (no Debian, or not root): ${missing[*]}; their tests are skipped below"
    exit 0
fi
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# Services must not start by themselves: tests start their own on free ports.
policy=/usr/sbin/policy-rc.d
made=no
if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && made=yes
fi
apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null \
    || echo "some of ${missing[*]} could not be installed; their tests are skipped below"
[[ $made == yes ]] && rm -f "$policy"
exit 0
