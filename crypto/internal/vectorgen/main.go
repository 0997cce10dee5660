// Command vectorgen writes the frozen test vectors of the object format: files, and a manifest that says for each what it is, which key
// opens it and what must come out, or how it must be refused.
//
// Every vector states one fact and is made by a few lines that read like the fact or like the attack. Randomness comes from a fixed
// ChaCha8 stream per vector, so that the same bytes come out on every run, adding a vector changes no other, and the product needs no way
// to pass it a salt. The keys are test keys and protect nothing.
//
// Vectors above a few MiB are listed with their size and SHA-256 but not kept in the repository, except one; -large writes them too:
//
//	go run ./crypto/internal/vectorgen -out DIR -large
//
// Frozen files are never changed: a vector that no longer comes out the same is a broken format.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	out := flag.String("out", filepath.FromSlash("crypto/testdata/vectors"), "directory to write to")
	large := flag.Bool("large", false, "also write the vectors that are not kept in the repository")
	flag.Parse()
	if err := run(*out, *large); err != nil {
		fmt.Fprintln(os.Stderr, "vectorgen:", err)
		os.Exit(1)
	}
}

func run(out string, large bool) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	m := manifest{Format: 1, Plaintext: plaintextRule}
	all := newPlaintext()
	for _, v := range allVectors() {
		entry, file := v.generate(all)
		m.Vectors = append(m.Vectors, entry)
		if entry.Kept || large {
			if err := os.WriteFile(filepath.Join(out, entry.File), file, 0o644); err != nil {
				return fmt.Errorf("write vector: %w", err)
			}
		}
	}
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	return os.WriteFile(filepath.Join(out, "manifest.json"), append(text, '\n'), 0o644)
}
