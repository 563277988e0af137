# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""README.txt of every bundle: how to check and use it with nothing of this collection installed. The same bytes always."""

from __future__ import annotations

README = b"""\
This is a bundle of container images: an OCI image layout and a docker archive over the same files, with checksums and a signature.
Standard tools check it and load it. NAME.tar is the bundle as one file; if you have it as a directory, change into that and leave out the first step.

Unpack it, to check it or to copy single images out of it (loading all of it works without):

    mkdir bundle && tar -xf NAME.tar -C bundle && cd bundle

Is it whole? This says nothing when it is, and names each file that is damaged or missing:

    sha256sum --quiet -c SHA256SUMS

Who made it? ALLOWED_SIGNERS is a file with the keys that you trust, which must not come with the bundle (ssh-keygen(1), ALLOWED SIGNERS):

    signer=$(ssh-keygen -Y find-principals -s SHA256SUMS.sig -f ALLOWED_SIGNERS)
    ssh-keygen -Y verify -f ALLOWED_SIGNERS -I "$signer" -n airlift-bundle -s SHA256SUMS.sig < SHA256SUMS

What is in it? Names, platforms, digests and dates:

    cat bundle.lock.yml

Load all of it into an engine (of an image for several platforms, engines without the containerd image store take linux/amd64 if it is there):

    tar -cf - * | docker load

Copy one image to a registry, with its digest (needs skopeo 1.14 or later for images of Docker's own manifest type):

    skopeo copy --all oci:.:IMAGE docker://REGISTRY/REPOSITORY:TAG
"""
