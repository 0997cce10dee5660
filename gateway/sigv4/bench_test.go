package sigv4

import (
	"crypto/sha256"
	"testing"
)

func benchmarkVerify(b *testing.B, d *draft) {
	r := d.request(b)
	secret := NewSecret(testSecret)
	now := testTime()
	b.ReportAllocs()
	for b.Loop() {
		s, err := Parse(r)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Verify(r, secret, testRegion, now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyHeader(b *testing.B) {
	benchmarkVerify(b, newDraft().header("Content-Type", "text/plain", true).header("X-Amz-Meta-A", "b", true))
}

func BenchmarkVerifyPresigned(b *testing.B) { benchmarkVerify(b, newDraft().presigned(true)) }

func BenchmarkVerifyUnknownKey(b *testing.B) {
	r := newDraft().request(b)
	b.ReportAllocs()
	for b.Loop() {
		s, err := Parse(r)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Verify(r, Secret{}, testRegion, testTime()); err == nil {
			b.Fatal("verified")
		}
	}
}

func BenchmarkVerifyChunk(b *testing.B) {
	v := newChunkVerifier(&Signed{Date: testTime(), day: "20261123", Region: testRegion}, make([]byte, 32))
	sum := sha256.Sum256(nil)
	signature := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		v.VerifyChunk(&sum, signature)
	}
}

func TestVerifyChunkAllocatesNothing(t *testing.T) {
	v := newChunkVerifier(&Signed{Date: testTime(), day: "20261123", Region: testRegion}, make([]byte, 32))
	sum := sha256.Sum256(nil)
	signature := make([]byte, 64)
	v.VerifyChunk(&sum, signature)
	if n := testing.AllocsPerRun(100, func() { v.VerifyChunk(&sum, signature) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
