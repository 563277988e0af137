// Copyright (c) 2026, The airlift.registry authors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// A registry in memory that has the referrers API of OCI 1.1, which Distribution has not: go-containerregistry's, with TLS.
// Usage: referrers_registry ADDRESS CERTIFICATE KEY
package main

import (
	"log"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	handler := registry.New(registry.WithReferrersSupport(true))
	log.Fatal(http.ListenAndServeTLS(os.Args[1], os.Args[2], os.Args[3], handler))
}
