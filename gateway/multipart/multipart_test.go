package multipart

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"sallyport/crypto/object"
	"sallyport/gateway/checksum"
)

func at(seconds int) time.Time { return time.Unix(int64(seconds), 0) }

func attempt(part int, etag, backend, held string, when int, plain int64) Attempt {
	return Attempt{PartNote: object.PartNote{Part: part, Plain: plain, ETag: etag, BackendETag: backend, Held: held, MD5: bytes.Repeat([]byte{byte(part)}, 16)}, Name: etag, When: at(when)}
}

const full = int64(object.MinPartSize)

func reasonOf(err error) Reason {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return -1
	}
	return e.Reason
}

func TestSelectTakesWhatTheClientNames(t *testing.T) {
	attempts := []Attempt{
		attempt(1, "old", "b-old", "", 1, full),
		attempt(1, "new", "b-new", "", 2, full),
		attempt(2, "same", "b-lost", "", 1, full),
		attempt(2, "same", "b-2", "", 2, full),
		attempt(3, "held", "", "h3", 1, 5),
	}
	backend := &Backend{Parts: map[int]string{1: "b-new", 2: "b-2"}}
	chosen, err := Select(attempts, backend, []Listed{{Number: 1, ETag: "new"}, {Number: 2, ETag: "same"}, {Number: 3, ETag: "held"}})
	if err != nil {
		t.Fatal(err)
	}
	if chosen[0].BackendETag != "b-new" || chosen[1].BackendETag != "b-2" || chosen[2].Held != "h3" {
		t.Errorf("chose %+v", chosen)
	}
	if _, err := Select(attempts, backend, []Listed{{Number: 1, ETag: "old"}}); reasonOf(err) != BadPart {
		t.Errorf("a replaced attempt: %v", err)
	}
	backend.Held = map[string]bool{}
	if _, err := Select(attempts, backend, []Listed{{Number: 3, ETag: "held"}}); reasonOf(err) != BadPart {
		t.Errorf("a held attempt that is gone: %v", err)
	}
}

func TestSelectRefuses(t *testing.T) {
	attempts := []Attempt{attempt(1, "a", "A", "", 1, full), attempt(2, "b", "B", "", 1, full-1), attempt(3, "c", "C", "", 1, full)}
	backend := &Backend{Parts: map[int]string{1: "A", 2: "B", 3: "C"}}
	a, b, c := Listed{Number: 1, ETag: "a"}, Listed{Number: 2, ETag: "b"}, Listed{Number: 3, ETag: "c"}
	for _, test := range []struct {
		name   string
		listed []Listed
		want   Reason
	}{
		{"none", nil, BadOrder},
		{"too many", make([]Listed, object.MaxParts+1), BadOrder},
		{"descending", []Listed{c, a}, BadOrder},
		{"equal", []Listed{a, a}, BadOrder},
		{"zero", []Listed{{Number: 0, ETag: "a"}}, BadOrder},
		{"above 10000", []Listed{{Number: 10001, ETag: "a"}}, BadOrder},
		{"absent", []Listed{a, {Number: 9, ETag: "x"}}, BadPart},
		{"small in the middle", []Listed{a, b, c}, TooSmall},
		{"small at first", []Listed{b, c}, TooSmall},
	} {
		if _, err := Select(attempts, backend, test.listed); reasonOf(err) != test.want {
			t.Errorf("%s: %v, want reason %d", test.name, err, test.want)
		}
	}
	if _, err := Select(attempts, backend, []Listed{a, b}); err != nil {
		t.Errorf("small at the end: %v", err)
	}
	value, err := checksum.ParseValue(checksum.CRC32, "AAAAAA==")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Select(attempts, backend, []Listed{{Number: 1, ETag: "a", Checksum: value}}); reasonOf(err) != BadChecksum {
		t.Errorf("another checksum: %v", err)
	}
}

func TestNewest(t *testing.T) {
	attempts := []Attempt{
		attempt(2, "x", "X", "", 1, full), attempt(1, "held", "", "h", 9, 3), attempt(1, "backend", "A", "", 5, full), attempt(1, "lost", "gone", "", 20, full),
	}
	got := Newest(attempts, &Backend{Parts: map[int]string{1: "A", 2: "X"}})
	if len(got) != 2 || got[0].ETag != "held" || got[1].ETag != "x" {
		t.Errorf("newest: %+v", got)
	}
}

func TestClosingPart(t *testing.T) {
	stream := attempt(4, "s", "S", "", 1, full)
	higher := attempt(9, "h", "H", "", 1, full)
	held := attempt(6, "t", "", "held", 1, 3)
	for _, c := range []struct {
		attempts, chosen []Attempt
		number           int
		held             bool
	}{
		{[]Attempt{stream}, []Attempt{stream}, 5, false},
		{[]Attempt{stream, higher}, []Attempt{stream}, 10, false},
		{[]Attempt{stream, held}, []Attempt{stream}, 5, false},
		{[]Attempt{stream, held}, []Attempt{stream, held}, 6, true},
		{[]Attempt{held}, []Attempt{held}, 6, true},
	} {
		if n, h := ClosingPart(c.attempts, c.chosen); n != c.number || h != c.held {
			t.Errorf("ClosingPart = %d %v, want %d %v", n, h, c.number, c.held)
		}
	}
}

func TestSizeIsBounded(t *testing.T) {
	if _, err := Size([]Attempt{{PartNote: object.PartNote{Plain: object.MaxPlainSize}}, {PartNote: object.PartNote{Plain: 1}}}); reasonOf(err) != TooLarge {
		t.Errorf("above the largest object: %v", err)
	}
}

func TestEntriesPairEachAttemptWithItsOwn(t *testing.T) {
	a, b := attempt(1, "a", "A", "", 1, 7), attempt(2, "b", "B", "", 1, 8)
	a.FrameSalt[0], b.FrameSalt[0], a.Commitment[0], b.Commitment[0] = 1, 2, 3, 4
	a.MD5 = nil
	e := Entries([]Attempt{a, b})
	if e[0].FrameSalt != a.FrameSalt || e[1].Commitment != b.Commitment || e[0].HasMD5 || !e[1].HasMD5 || e[1].Plain != 8 {
		t.Errorf("entries %+v", e)
	}
	if _, err := ETag([]Attempt{a}); err == nil {
		t.Error("an ETag without an MD5")
	}
}

// TestBackendThatCannotTellAttemptsApart: a file system with coarse times may give two attempts one ETag. Which of them it holds is then
// unknown, and the table of an object must not claim either.
func TestBackendThatCannotTellAttemptsApart(t *testing.T) {
	attempts := []Attempt{
		attempt(1, "first", "same", "", 1, object.MinPartSize), attempt(1, "second", "same", "", 2, object.MinPartSize),
		attempt(2, "2", "same", "", 1, 100), // another part's bytes are in another place
	}
	backend := &Backend{Parts: map[int]string{1: "same", 2: "same"}}
	for _, etag := range []string{"first", "second"} {
		if chosen, err := Select(attempts, backend, []Listed{{Number: 1, ETag: etag}}); reasonOf(err) != BadPart {
			t.Errorf("%s: %+v, %v", etag, chosen, err)
		}
	}
	if _, err := Select(attempts, backend, []Listed{{Number: 2, ETag: "2"}}); err != nil {
		t.Error(err)
	}
	if newest := Newest(attempts, backend); len(newest) != 1 || newest[0].Part != 2 {
		t.Errorf("newest %+v", newest)
	}
	again := append(attempts, attempt(1, "second", "other", "", 3, object.MinPartSize))
	backend.Parts[1] = "other"
	if chosen, err := Select(again, backend, []Listed{{Number: 1, ETag: "second"}}); err != nil || chosen[0].BackendETag != "other" {
		t.Errorf("sent once more: %+v, %v", chosen, err)
	}
}
