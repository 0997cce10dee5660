// Package crypto groups everything Sallyport knows about secrets and sealed bytes. It holds no code itself, so the standard crypto
// package is never shadowed:
//
//   - chunked is the one sealing primitive (C2SP chunked-encryption v1, Cobblestone-256);
//   - keys holds the key types and every derivation;
//   - format holds the strict JSON used inside sealed records;
//   - object is the object file: frames, table, tail, sizes, ranges and upload notes;
//   - vault is the vault file: slots, keyring, settings and system records.
//
// The specification is docs/FORMAT.md. Nothing below this directory knows HTTP, S3 or a storage backend.
package crypto
