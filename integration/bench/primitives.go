package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/sha256"
	"hash"
	"hash/crc64"
	"time"
)

// primitives measures on one core, in this process, what a request's bytes must go through whatever the server.
func primitives(_ context.Context, b *bench) error {
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		return err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return err
	}
	chunk, sealed, nonce := make([]byte, 64<<10), make([]byte, 0, 64<<10+16), make([]byte, gcm.NonceSize())
	_, _ = newNoise().Read(chunk)
	hashing := func(h hash.Hash) func() { return func() { _, _ = h.Write(chunk) } }
	for _, p := range []struct {
		name string
		do   func()
	}{
		{"AES-256-GCM", func() { gcm.Seal(sealed, nonce, chunk, nil) }},
		{"MD5", hashing(md5.New())},
		{"SHA-256", hashing(sha256.New())},
		{"CRC-64", hashing(crc64.New(crc64.MakeTable(crc64.ECMA)))},
	} {
		times := make([]float64, b.rounds)
		for i := range times {
			began := time.Now()
			for range 256 * mib / len(chunk) {
				p.do()
			}
			times[i] = time.Since(began).Seconds() * 4
		}
		b.record(p.name+" alone", "s/GiB", medians([][]float64{times}))
	}
	return nil
}
