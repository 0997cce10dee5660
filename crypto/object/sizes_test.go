package object

import (
	"math/rand/v2"
	"testing"

	"sallyport/crypto/chunked"
)

func TestWorkedSizes(t *testing.T) {
	for plain, want := range map[int64]int64{0: 4096, 1: 4097, 16384: 20496, 1 << 20: 1053696, 5 << 30: 5374480384} {
		if got := CanonicalSize(plain); got != want {
			t.Errorf("%d bytes become %d, want %d", plain, got, want)
		}
	}
	if got := FrameSize(MaxPartSize); got != 5<<30 {
		t.Errorf("the frame of the largest part has %d bytes, want 5 GiB", got)
	}
	if got := TableSize(2); got != 56+2*152+16 {
		t.Errorf("table of two frames has %d bytes", got)
	}
	if TableSize(1) != 0 || TableSize(0) != 0 {
		t.Error("one frame needs no table")
	}
}

// TestCanonicalSizeIsStrictlyIncreasingAndInvertible looks at both sides of every place where the function jumps, and at random sizes.
func TestCanonicalSizeIsStrictlyIncreasingAndInvertible(t *testing.T) {
	check := func(p int64) {
		t.Helper()
		if p < 0 || p > MaxPlainSize {
			return
		}
		g := CanonicalSize(p)
		if back, ok := PlainSize(g); !ok || back != p {
			t.Fatalf("%d came back as %d, %v", p, back, ok)
		}
		if p == MaxPlainSize {
			return
		}
		next := CanonicalSize(p + 1)
		if next <= g {
			t.Fatalf("not increasing at %d", p)
		}
		for _, between := range []int64{g + 1, next - 1} {
			if between > g && between < next {
				if _, ok := PlainSize(between); ok {
					t.Fatalf("%d is no size of any object", between)
				}
			}
		}
	}
	for p := range int64(70000) {
		check(p)
	}
	for _, step := range []int64{chunked.ChunkSize, MinPartSize} {
		for i := range int64(3000) {
			for d := int64(-2); d <= 2; d++ {
				check(i*step + d)
			}
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200000 {
		check(random.Int64N(MaxPlainSize + 1))
	}
	check(MaxPlainSize)
	for _, total := range []int64{-1, 0, 1, 4095, CanonicalSize(MaxPlainSize) + 1, 1<<63 - 1} {
		if _, ok := PlainSize(total); ok {
			t.Errorf("%d is no size of any object", total)
		}
	}
}

// TestEverySplitLeavesPadding tries numbers of parts up to the highest with the splits that use most room.
func TestEverySplitLeavesPadding(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	parts := make([]int64, 0, MaxParts)
	for n := 1; n <= MaxParts; n++ {
		if n > 500 && n%7 != 0 && n != MaxParts {
			continue
		}
		for _, last := range []int64{0, 1, chunked.ChunkSize, MinPartSize - 1, MinPartSize, random.Int64N(1 << 33)} {
			parts = parts[:0]
			for range n - 1 {
				parts = append(parts, MinPartSize)
			}
			parts = append(parts, last)
			pad, ok := PadSize(parts)
			if !ok || pad < 64 {
				t.Fatalf("%d parts, the last of %d bytes: padding %d, %v", n, last, pad, ok)
			}
			var plain int64
			for _, p := range parts {
				plain += p
			}
			if pad+Used(parts) != CanonicalSize(plain) {
				t.Fatalf("%d parts, the last of %d bytes: sizes do not add up", n, last)
			}
			if n > 200 && last > 1 {
				break // the rest of the last sizes make no difference any more.
			}
		}
	}
	for range 2000 {
		parts = parts[:0]
		for range random.IntN(60) {
			parts = append(parts, MinPartSize+random.Int64N(1<<random.IntN(33)))
		}
		parts = append(parts, random.Int64N(1<<random.IntN(34)))
		if pad, ok := PadSize(parts); !ok || pad < 64 {
			t.Fatalf("%v: padding %d, %v", parts, pad, ok)
		}
	}
}

func TestIllegalSplitsAreRefused(t *testing.T) {
	for _, parts := range [][]int64{
		nil, {-1}, {MinPartSize - 1, 5}, {MinPartSize, 0, 0}, {MaxPlainSize, 1}, {MaxPlainSize + 1}, make([]int64, MaxParts+1),
	} {
		if _, ok := PadSize(parts); ok {
			t.Errorf("%d parts starting with %v were taken", len(parts), parts[:min(3, len(parts))])
		}
	}
}

func FuzzPlainSize(f *testing.F) {
	f.Add(int64(4096))
	f.Add(int64(-1))
	f.Add(int64(5374480384))
	f.Fuzz(func(t *testing.T, total int64) {
		if p, ok := PlainSize(total); ok && CanonicalSize(p) != total {
			t.Fatalf("%d is said to hold %d bytes, which make %d", total, p, CanonicalSize(p))
		}
	})
}
