package vault

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sallyport/crypto/keys"
)

const bucketKey = ".sallyport/buckets/photos"

func TestRecordsReadBack(t *testing.T) {
	opened, key := makeVault(t, Options{})
	rotated, err := opened.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	again, err := mustParse(t, rotated.file.raw).OpenWithRecoveryKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range [][]byte{{}, []byte("{}"), bytes.Repeat([]byte("x"), 16383), bytes.Repeat([]byte("x"), 16384), bytes.Repeat([]byte("x"), MaxRecordSize)} {
		for _, kind := range []RecordKind{RecordBucket, RecordName} {
			sealed, err := opened.SealRecord(kind, bucketKey, content)
			if err != nil {
				t.Fatal(err)
			}
			// A later generation still reads what the first epoch sealed.
			got, err := again.OpenRecord(kind, bucketKey, sealed)
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes: %v", len(content), err)
			}
		}
	}
}

func TestRecordLooksAsSpecified(t *testing.T) {
	opened, _ := makeVault(t, Options{})
	sealed, err := opened.SealRecord(RecordBucket, bucketKey, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "895350520d0a1a0a" + "01014200" + "00000001"; fmt.Sprintf("%x", sealed[:16]) != want || len(sealed) != 16+24+32+2+16 {
		t.Errorf("header %x, %d bytes", sealed[:16], len(sealed))
	}
	// The same by hand, from the specification.
	context := append([]byte("sallyport/v1/record\x00"), sealed[:16]...)
	id := opened.ID()
	context = append(context, id[:]...)
	context = append(context, 0, byte(len(bucketKey)))
	context = append(context, bucketKey...)
	root, err := opened.VRK(1)
	if err != nil {
		t.Fatal(err)
	}
	key := new([32]byte(keys.Expand(root.Reveal()[:], []byte("sallyport/v1/record\x00"), 32)))
	if !bytes.Equal(opened.recordContext(sealed[:16], bucketKey), context) || !bytes.Equal(root.RecordKey().Reveal()[:], key[:]) {
		t.Error("context or key differ from the specification")
	}
}

func TestRecordsAreBoundToTheirPlace(t *testing.T) {
	opened, _ := makeVault(t, Options{})
	other, _ := makeVault(t, Options{})
	sealed, err := opened.SealRecord(RecordBucket, bucketKey, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"another name":  func() ([]byte, error) { return opened.OpenRecord(RecordBucket, bucketKey+"2", sealed) },
		"another kind":  func() ([]byte, error) { return opened.OpenRecord(RecordName, bucketKey, sealed) },
		"another vault": func() ([]byte, error) { return other.OpenRecord(RecordBucket, bucketKey, sealed) },
		"long name":     func() ([]byte, error) { return opened.OpenRecord(RecordBucket, strings.Repeat("x", 65536), sealed) },
		"huge": func() ([]byte, error) {
			return opened.OpenRecord(RecordBucket, bucketKey, append(sealed, make([]byte, 70<<10)...))
		},
	} {
		if _, err := open(); !errors.Is(err, ErrUnsealable) && !errors.Is(err, ErrUnknownEpoch) {
			t.Errorf("%s: %v", name, err)
		}
	}
	relabelled := bytes.Clone(sealed)
	relabelled[10] = byte(RecordName)
	if _, err := opened.OpenRecord(RecordName, bucketKey, relabelled); !errors.Is(err, ErrUnsealable) {
		t.Errorf("another kind in the header: %v", err)
	}
	later := bytes.Clone(sealed)
	later[15] = 2
	if _, err := opened.OpenRecord(RecordBucket, bucketKey, later); !errors.Is(err, ErrUnknownEpoch) {
		t.Errorf("a later epoch: %v", err)
	}
	for _, at := range []int{8, 9, 11} {
		newer := bytes.Clone(sealed)
		newer[at] = 2
		if _, err := opened.OpenRecord(RecordBucket, bucketKey, newer); !errors.Is(err, ErrTooNew) {
			t.Errorf("header byte %d: %v", at, err)
		}
	}
}

// A record sealed under one epoch cannot be passed off as one of another.
func TestRecordsAreBoundToTheirEpoch(t *testing.T) {
	first, _ := makeVault(t, Options{})
	second, err := first.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := first.SealRecord(RecordBucket, bucketKey, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	sealed[15] = 2
	if _, err := second.OpenRecord(RecordBucket, bucketKey, sealed); !errors.Is(err, ErrUnsealable) {
		t.Errorf("got %v", err)
	}
}

func TestEveryFlippedOrMissingBitOfARecordIsRefused(t *testing.T) {
	opened, _ := makeVault(t, Options{})
	record, err := opened.SealRecord(RecordBucket, bucketKey, []byte(`{"created":1}`))
	if err != nil {
		t.Fatal(err)
	}
	open := func(data []byte) error {
		_, err := opened.OpenRecord(RecordBucket, bucketKey, data)
		return err
	}
	if err := open(record); err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(record) {
		data := bytes.Clone(record)
		data[bit/8] ^= 1 << (bit % 8)
		if err := open(data); !anyOf(err, ErrUnsealable, ErrTooNew, ErrUnknownEpoch) {
			t.Errorf("bit %d: %v", bit, err)
		}
	}
	for length := range record {
		if err := open(record[:length]); !anyOf(err, ErrUnsealable) {
			t.Errorf("cut to %d: %v", length, err)
		}
	}
	if err := open(append(bytes.Clone(record), 0)); !anyOf(err, ErrUnsealable) {
		t.Errorf("with one byte more: %v", err)
	}
}

func TestBucketRecords(t *testing.T) {
	opened, _ := makeVault(t, Options{})
	created := time.Date(2026, 11, 23, 10, 11, 12, 345_678_901, time.FixedZone("x", 3600))
	sealed, err := opened.SealBucket(bucketKey, BucketRecord{Created: created})
	if err != nil {
		t.Fatal(err)
	}
	content, err := opened.OpenRecord(RecordBucket, bucketKey, sealed)
	if want := fmt.Sprintf(`{"created":%d,"vault":"%s"}`, created.UnixMilli(), opened.ID()); err != nil || string(content) != want {
		t.Errorf("%s, %v", content, err)
	}
	got, err := opened.OpenBucket(bucketKey, sealed)
	if err != nil || !got.Created.Equal(created.Truncate(time.Millisecond)) || got.Created.Location() != time.UTC {
		t.Errorf("%v, %v", got, err)
	}
	for name, content := range map[string]string{
		"no vault": `{"created":1}`, "another vault": `{"created":1,"vault":"` + strings.Repeat("0", 32) + `"}`, "no time": `{"vault":"` + opened.ID().String() + `"}`,
		"not JSON": "x", "twice": `{"created":1,"created":2,"vault":"` + opened.ID().String() + `"}`,
	} {
		sealed, err := opened.SealRecord(RecordBucket, bucketKey, []byte(content))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := opened.OpenBucket(bucketKey, sealed); !errors.Is(err, ErrUnsealable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	later, err := opened.SealRecord(RecordBucket, bucketKey, []byte(`{"created":1,"vault":"`+opened.ID().String()+`","later":true}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := opened.OpenBucket(bucketKey, later); err != nil {
		t.Errorf("a field that a later version added: %v", err)
	}
	strict, err := opened.SealRecord(RecordBucket, bucketKey, []byte(`{"created":1,"vault":"`+opened.ID().String()+`","Later":true}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := opened.OpenBucket(bucketKey, strict); !errors.Is(err, ErrTooNew) {
		t.Errorf("a field that must not be ignored: %v", err)
	}
	for _, created := range []time.Time{{}, time.UnixMilli(lastMillis + 1)} {
		if _, err := opened.SealBucket(bucketKey, BucketRecord{Created: created}); err == nil {
			t.Errorf("%v was taken", created)
		}
	}
}

func TestSealRefusesWhatWouldNotOpen(t *testing.T) {
	opened, _ := makeVault(t, Options{})
	if _, err := opened.SealRecord('X', "k", nil); err == nil {
		t.Error("an unknown kind was taken")
	}
	if _, err := opened.SealRecord(RecordName, strings.Repeat("x", 65536), nil); err == nil {
		t.Error("a name too long was taken")
	}
	if _, err := opened.SealRecord(RecordName, "k", make([]byte, MaxRecordSize+1)); err == nil {
		t.Error("content too large was taken")
	}
}

func FuzzOpenRecord(f *testing.F) {
	opened, _ := makeVault(f, Options{})
	sealed, err := opened.SealBucket(bucketKey, BucketRecord{Created: time.UnixMilli(1)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:16])
	f.Add([]byte(recordMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := opened.OpenBucket(bucketKey, data); err == nil && !bytes.Equal(data, sealed) {
			t.Error("something else opened")
		}
	})
}
