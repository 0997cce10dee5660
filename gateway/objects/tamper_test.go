package objects

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"sallyport/crypto/chunked"
	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/gateway/cache"
	"sallyport/gateway/telemetry"
	"sallyport/gateway/vaults"
)

// refused is what may become of an altered file.
func refused() []Kind {
	return []Kind{Foreign, Damaged, Misplaced, CustomerKeyRequired, CustomerKeyWrong, CustomerKeyUnwanted}
}

// mustRefuse reads an altered object whole: it must fail, and what was released before must be the content.
func mustRefuse(t *testing.T, w *world, what, key string, customer *CustomerKey, plain []byte) {
	t.Helper()
	out, err := w.Get(t.Context(), &GetInput{Bucket: bucketName, Key: key, CustomerKey: customer})
	if err == nil {
		var got []byte
		got, err = io.ReadAll(out.Body)
		if closeErr := out.Body.Close(); closeErr != nil {
			t.Errorf("%s: close: %v", what, closeErr)
		}
		if err == nil {
			t.Fatalf("%s: accepted", what)
		}
		if !bytes.HasPrefix(plain, got) || len(got) == len(plain) {
			t.Fatalf("%s: %d bytes were released that are not the content", what, len(got))
		}
	}
	if !slices.Contains(refused(), kindOf(err)) {
		t.Fatalf("%s: kind %d: %v", what, kindOf(err), err)
	}
}

// TestAlteredFiles flips a bit in every byte of files of up to 10,000 bytes, and in every 97th byte and all of tail, table and headers of larger ones.
func TestAlteredFiles(t *testing.T) {
	w := newWorld(t, worldOptions{})
	count := 0
	for _, customer := range []*CustomerKey{nil, customerKey(t, 1)} {
		for _, n := range []int{0, 1, 5000, 16384, 150_000} {
			key := fmt.Sprint(n)
			plain := content(1, n)
			w.put(key, plain, withKey(customer))
			sound := w.stored(key)
			stride := 1
			if n > 10_000 || testing.Short() {
				stride = 97
			}
			for i := range sound {
				if stride > 1 && i%stride != 0 && i >= 200 && i < len(sound)-object.TailSize-100 {
					continue
				}
				altered := slices.Clone(sound)
				altered[i] ^= 1 << (i % 8)
				w.plant(key, altered)
				mustRefuse(t, w, fmt.Sprintf("%d bytes, bit flipped at %d of %d", n, i, len(sound)), key, customer, plain)
				count++
			}
			for _, cut := range []int{0, 1, 55, 56, 111, 112, 113, len(sound) / 2, len(sound) - object.TailSize, len(sound) - 16, len(sound) - 1} {
				for what, altered := range map[string][]byte{
					"cut to":          sound[:cut],
					"begins at":       sound[len(sound)-cut:],
					"extended at":     slices.Concat(sound[:cut], []byte{0}, sound[cut:]),
					"byte dropped at": slices.Delete(slices.Clone(sound), cut, cut+1),
					"block zeroed at": slices.Concat(sound[:cut], make([]byte, 16), sound[min(len(sound), cut+16):]),
				} {
					if bytes.Equal(altered, sound) {
						continue
					}
					w.plant(key, altered)
					mustRefuse(t, w, fmt.Sprintf("%d bytes, %s %d", n, what, cut), key, customer, plain)
					count++
				}
			}
			w.plant(key, sound)
			if got, _, err := w.get(&GetInput{Key: key, CustomerKey: customer}); err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("the sound file is refused: %v", err)
			}
		}
	}
	t.Logf("%d altered files refused", count)
	least := 55_000 // on top of the 200,000 that crypto/object tries without a gateway
	if testing.Short() {
		least = 45_000
	}
	if count < least {
		t.Errorf("only %d altered files were tried, want %d", count, least)
	}
}

// TestAlteredRanges reads ranges of altered files: they give the content or nothing.
func TestAlteredRanges(t *testing.T) {
	w := newWorld(t, worldOptions{})
	const n = 150_000
	plain := content(2, n)
	w.put("k", plain)
	sound := w.stored("k")
	for i := 0; i < len(sound); i += 1009 {
		altered := slices.Clone(sound)
		altered[i] ^= 0x80
		w.plant("k", altered)
		for _, r := range []RangeSpec{{First: 0, Last: 0}, {First: 16383, Last: 16384}, {First: 70_000, Last: 120_000}, {HasSuffix: true, Suffix: 1}} {
			off, length, _ := r.within(n)
			got, _, err := w.get(&GetInput{Key: "k", Range: &r})
			if !bytes.HasPrefix(plain[off:off+length], got) || err == nil && int64(len(got)) != length {
				t.Fatalf("altered at %d, range %+v: %d bytes that are not the content, %v", i, r, len(got), err)
			}
			if err != nil && kindOf(err) != Damaged && kindOf(err) != Foreign {
				t.Fatalf("altered at %d, range %+v: %v", i, r, err)
			}
		}
	}
}

// TestSwappedFiles puts intact pieces where they do not belong.
func TestSwappedFiles(t *testing.T) {
	w := newWorld(t, worldOptions{})
	customer := customerKey(t, 1)
	for _, n := range []int{0, 1000, 16384, 150_000} {
		plain := content(1, n)
		w.put("a", plain)
		w.put("b", content(2, n))
		w.put("c", plain, withKey(customer))
		a, b, c := w.stored("a"), w.stored("b"), w.stored("c")
		w.put("a", plain)
		other := w.stored("a") // the same content and name, sealed again
		body := len(a) - object.TailSize
		for what, altered := range map[string][]byte{
			"another object":                       b,
			"another object's tail":                slices.Concat(a[:body], b[body:]),
			"another object's body":                slices.Concat(b[:body], a[body:]),
			"a customer's object":                  c,
			"a customer's tail":                    slices.Concat(a[:body], c[body:]),
			"the tail of another attempt":          slices.Concat(a[:body], other[body:]),
			"the body of another attempt":          slices.Concat(other[:body], a[body:]),
			"the first chunk of another attempt":   slices.Concat(other[:112+16], a[112+16:]),
			"twice":                                slices.Concat(a, a),
			"tail twice":                           slices.Concat(a, a[body:]),
			"all zeros":                            make([]byte, len(a)),
			"plaintext in the place of ciphertext": slices.Concat(plain, make([]byte, len(a)-n)),
		} {
			w.plant("a", altered)
			mustRefuse(t, w, fmt.Sprintf("%d bytes, %s", n, what), "a", nil, plain)
		}
		if n > 2*chunked.ChunkSize {
			swapped := slices.Clone(a)
			copy(swapped[112:], a[112+chunked.SealedChunk:112+2*chunked.SealedChunk])
			copy(swapped[112+chunked.SealedChunk:], a[112:112+chunked.SealedChunk])
			w.plant("a", swapped)
			mustRefuse(t, w, "chunks swapped", "a", nil, plain)
		}
		w.plant("a", b)
		_, err := w.Head(t.Context(), &GetInput{Bucket: bucketName, Key: "a"})
		wantKind(t, "another object's HEAD", err, Misplaced)
		if e, ok := errors.AsType[*Error](err); ok && !bytes.Contains([]byte(e.Message), []byte(`"b"`)) {
			t.Errorf("the message does not say where it belongs: %s", e.Message)
		}
	}
}

// TestLengthThatDoesNotFitTheTail: a tail is sealed for one length, and what only reads the tail must hold the file to it.
func TestLengthThatDoesNotFitTheTail(t *testing.T) {
	w := newWorld(t, worldOptions{etag: vault.ETagMD5})
	w.put("short", content(1, 100))
	w.put("long", content(2, 3*chunked.ChunkSize))
	short, long := w.stored("short"), w.stored("long")
	for key, file := range map[string][]byte{
		"short": slices.Concat(long[:len(long)-object.TailSize], short[len(short)-object.TailSize:]),
		"long":  slices.Concat(short[:len(short)-object.TailSize], long[len(long)-object.TailSize:]),
	} {
		w.plant(key, file)
		again := w.again()
		_, err := again.Head(t.Context(), &GetInput{Bucket: bucketName, Key: key})
		wantKind(t, key+": HEAD", err, Damaged)
		_, err = again.Parts(t.Context(), &PartsInput{GetInput: GetInput{Bucket: bucketName, Key: key}, Limit: 1})
		wantKind(t, key+": attributes", err, Damaged)
		metrics := telemetry.NewMetrics("test")
		again.metrics = metrics
		if _, err := again.List(t.Context(), &ListInput{Bucket: bucketName, Prefix: key, Limit: 1}); err != nil || alarms(t, metrics) != 1 {
			t.Errorf("%s: list: %v, %v alarms", key, err, alarms(t, metrics))
		}
	}
}

// TestObjectsUnderAnotherNameRaiseTheAlarm: each way to look at an exchanged object tells the operator, not only the client.
func TestObjectsUnderAnotherNameRaiseTheAlarm(t *testing.T) {
	w := newWorld(t, worldOptions{etag: vault.ETagMD5})
	w.put("a", []byte("one"))
	w.put("b", []byte("two"))
	w.plant("a", w.stored("b"))
	var log bytes.Buffer
	for name, look := range map[string]func(*world) error{
		"HEAD": func(w *world) error {
			_, err := w.Head(t.Context(), &GetInput{Bucket: bucketName, Key: "a"})
			return err
		},
		"GET": func(w *world) error {
			_, _, err := w.get(&GetInput{Key: "a"})
			return err
		},
		"attributes": func(w *world) error {
			_, err := w.Parts(t.Context(), &PartsInput{GetInput: GetInput{Bucket: bucketName, Key: "a"}, Limit: 1})
			return err
		},
		"If-Match": func(w *world) error {
			_, err := w.Put(t.Context(), &PutInput{Bucket: bucketName, Key: "a", Size: 1, Body: bodyOf([]byte("x")), Conditions: WriteConditions{IfMatch: "0123"}})
			return err
		},
		"list": func(w *world) error {
			if _, err := w.List(t.Context(), &ListInput{Bucket: bucketName, Limit: 10}); err != nil {
				t.Fatal(err)
			}
			return &Error{Kind: Misplaced}
		},
	} {
		again := w.again()
		metrics := telemetry.NewMetrics("test")
		log.Reset()
		again.metrics, again.log = metrics, slog.New(slog.NewTextHandler(&log, nil))
		wantKind(t, name, look(again), Misplaced)
		if n := alarms(t, metrics); n != 1 || !strings.Contains(log.String(), `object=a`) || !strings.Contains(log.String(), "integrity alarm") {
			t.Errorf("%s: %v alarms\n%s", name, n, log.String())
		}
	}
}

// TestAlteredObjectOfSeveralParts alters frames, padding, table and tail of a multipart object, and exchanges them with those of another.
func TestAlteredObjectOfSeveralParts(t *testing.T) {
	w := newWorld(t, worldOptions{})
	a, b := content(1, 5<<20), content(2, 10)
	plain := slices.Concat(a, b)
	w.plantParts("k", nil, part{1, a}, part{2, b})
	sound := w.stored("k")
	w.plantParts("k", nil, part{1, a}, part{2, b})
	other := w.stored("k")
	second := int(object.FrameSize(int64(len(a))))
	table := len(sound) - object.TailSize - int(object.TableSize(2))
	pad := second + int(object.FrameSize(int64(len(b))))
	tail := len(sound) - object.TailSize
	alter := func(what string, altered []byte) {
		t.Helper()
		w.plant("k", altered)
		mustRefuse(t, w, what, "k", nil, plain)
	}
	for _, i := range []int{0, 20, 60, 112, second - 1, second, second + 111, second + 112, pad - 1, pad, table - 1, table, table + 60, tail - 1, tail, tail + 64, len(sound) - 1} {
		altered := slices.Clone(sound)
		altered[i] ^= 4
		alter(fmt.Sprint("bit flipped at ", i), altered)
	}
	for what, at := range map[string][2]int{"first frame": {0, second}, "second frame": {second, pad}, "table": {table, tail}, "tail": {tail, len(sound)}, "frames": {0, pad}} {
		alter("another upload's "+what, slices.Concat(sound[:at[0]], other[at[0]:at[1]], sound[at[1]:]))
	}
	w.plant("k", slices.Concat(sound[:second], other[second:pad], sound[pad:]))
	_, _, err := w.get(&GetInput{Key: "k", PartNumber: 2})
	wantKind(t, "another upload's part", err, Damaged)
	if got, _, err := w.get(&GetInput{Key: "k", PartNumber: 1}); err != nil || !bytes.Equal(got, a) {
		t.Errorf("the sound part beside it: %d bytes, %v", len(got), err)
	}
}

func TestForeignFiles(t *testing.T) {
	w := newWorld(t, worldOptions{})
	theirs := newWorld(t, worldOptions{})
	theirs.put("k", []byte("another vault's"))
	w.put("cut", content(1, 100_000))
	for what, tc := range map[string]struct {
		file []byte
		want Kind
	}{
		"empty file":          {nil, Foreign},
		"text":                {[]byte("hello"), Foreign},
		"text of a tail":      {make([]byte, object.TailSize), Foreign},
		"text of our size":    {make([]byte, 4096), Foreign},
		"another vault's":     {theirs.stored("k"), Foreign},
		"ours without a tail": {w.stored("cut")[:50_000], Damaged},
	} {
		w.plant("k", tc.file)
		_, _, err := w.get(&GetInput{Key: "k"})
		wantKind(t, what, err, tc.want)
		wantKind(t, "HEAD "+what, second(w.Head(t.Context(), &GetInput{Bucket: bucketName, Key: "k"})), tc.want)
	}
	// A foreign file can be replaced and removed: otherwise nobody could clean up through the gateway.
	w.put("k", []byte("ours"))
	if got := w.mustGet("k"); string(got) != "ours" {
		t.Errorf("%q", got)
	}
}

// TestAlarmsAreCounted: what the log says once, a monitor sees too.
func TestAlarmsAreCounted(t *testing.T) {
	w := newWorld(t, worldOptions{})
	w.put("sound", content(1, 100))
	w.put("altered", content(2, 100))
	metrics := telemetry.NewMetrics("test")
	w.Service = New(&Options{Vaults: vaults.NewSet(nil, w.vault), Cache: cache.New(&cache.Options{}), Metrics: metrics})
	file := slices.Clone(w.stored("altered"))
	file[len(file)-1] ^= 1
	w.plant("altered", file)
	w.plant("foreign", []byte("x"))
	_, _, err := w.get(&GetInput{Key: "altered"})
	wantKind(t, "altered", err, Damaged)
	for range 2 {
		if _, err := w.List(t.Context(), &ListInput{Bucket: bucketName, Limit: 10}); err != nil {
			t.Fatal(err)
		}
	}
	families, err := metrics.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue()
		}
	}
	vault := w.vault.Name()
	for name, want := range map[string]float64{
		"sallyport_integrity_failures_total " + vault: 3,
		"sallyport_foreign_objects_total " + vault:    2,
		"sallyport_etag_cache_total hit " + vault:     1,
		"sallyport_etag_cache_total miss " + vault:    3,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}
