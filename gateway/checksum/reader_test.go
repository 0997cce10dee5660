package checksum_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"sallyport/gateway/checksum"
)

const block = 64 << 10

func edges() []int {
	return []int{0, 1, 1000, block - 1, block, block + 1, 2*block - 1, 2 * block, 3 * block, 3*block + 1, 4*block + 7, 10 * block, 1<<20 + 13}
}

// promises keeps every promise about data.
func promises(t testing.TB, data []byte, size int64) *checksum.Options {
	t.Helper()
	digest, payload := md5.Sum(data), sha256.Sum256(data)
	return &checksum.Options{
		Size: size, MD5: true, Algorithms: checksum.Algorithms(), ContentMD5: &digest, PayloadSHA256: &payload, Value: value(t, checksum.CRC32C, data), Trailer: checksum.CRC64NVME,
		TrailerValue: func() (string, bool) { return value(t, checksum.CRC64NVME, data).String(), true },
	}
}

func TestDigests(t *testing.T) {
	var buffers checksum.Buffers
	for _, size := range edges() {
		data := pattern(size)
		for _, announced := range []int64{int64(size), -1} {
			for _, pool := range []*checksum.Buffers{nil, &buffers} {
				for name, src := range map[string]io.Reader{
					"whole": bytes.NewReader(data), "half": iotest.HalfReader(bytes.NewReader(data)), "data+EOF": iotest.DataErrReader(bytes.NewReader(data)), "one byte": iotest.OneByteReader(bytes.NewReader(data)),
				} {
					if name == "one byte" && size > 2*block {
						continue // costs seconds and meets no edge the smaller sizes do not
					}
					opts := promises(t, data, announced)
					opts.Buffers = pool
					r := checksum.NewReader(src, opts)
					if _, ok := r.MD5(); ok {
						t.Error("a digest before the end")
					}
					got, err := io.ReadAll(r)
					if err != nil || !bytes.Equal(got, data) {
						t.Fatalf("%d of %d, %s: %d bytes, %v", size, announced, name, len(got), err)
					}
					for _, a := range checksum.Algorithms() {
						if v, ok := r.Value(a); !ok || v != value(t, a, data) {
							t.Errorf("%d %s %v: %v, %v", size, name, a, v, ok)
						}
					}
					if sum, ok := r.MD5(); !ok || sum != md5.Sum(data) {
						t.Errorf("%d %s: MD5 %x, %v", size, name, sum, ok)
					}
					if r.BytesRead() != int64(size) || r.Size() != announced {
						t.Errorf("%d bytes read, size %d", r.BytesRead(), r.Size())
					}
					if err := r.Close(); err != nil {
						t.Error(err)
					}
					if _, ok := r.MD5(); !ok {
						t.Error("Close lost the digests")
					}
				}
			}
		}
	}
}

func TestReaderContract(t *testing.T) {
	for _, size := range []int{0, 1, 1000, block, 3*block + 5} {
		data := pattern(size)
		for _, announced := range []int64{-1, int64(size)} {
			if err := iotest.TestReader(checksum.NewReader(bytes.NewReader(data), promises(t, data, announced)), data); err != nil {
				t.Errorf("%d: %v", size, err)
			}
		}
	}
}

// TestA8A15BrokenPromises: each promise alone, at sizes digested inline and beside; the mismatch comes in place of io.EOF, and with a known size in place of the last bytes.
func TestA8A15BrokenPromises(t *testing.T) {
	for _, size := range []int{0, 1, 1000, block, block + 1, 5*block + 3} {
		data := pattern(size)
		wrong := append(pattern(size), 'x')
		wrongMD5, wrongPayload := md5.Sum(wrong), sha256.Sum256(wrong)
		breaks := map[string]struct {
			change func(*checksum.Options)
			want   checksum.Reason
		}{
			"Content-MD5":     {func(o *checksum.Options) { o.ContentMD5 = &wrongMD5 }, checksum.BadContentMD5},
			"payload":         {func(o *checksum.Options) { o.PayloadSHA256 = &wrongPayload }, checksum.PayloadSHA256Mismatch},
			"trailer":         {func(o *checksum.Options) { o.TrailerValue = func() (string, bool) { return "AAAAAAAAAAE=", true } }, checksum.ChecksumMismatch},
			"trailer unsent":  {func(o *checksum.Options) { o.TrailerValue = func() (string, bool) { return "", false } }, checksum.InvalidTrailer},
			"trailer bad":     {func(o *checksum.Options) { o.TrailerValue = func() (string, bool) { return "x", true } }, checksum.InvalidTrailer},
			"trailer too big": {func(o *checksum.Options) { o.TrailerValue = func() (string, bool) { return "AAAAAAAAAAE=-1", true } }, checksum.InvalidTrailer},
		}
		for _, a := range checksum.Algorithms() {
			breaks[a.String()] = struct {
				change func(*checksum.Options)
				want   checksum.Reason
			}{func(o *checksum.Options) { o.Value = value(t, a, wrong) }, checksum.ChecksumMismatch}
		}
		for name, b := range breaks {
			for _, announced := range []int64{-1, int64(size)} {
				opts := promises(t, data, announced)
				b.change(opts)
				r := checksum.NewReader(bytes.NewReader(data), opts)
				got := make([]byte, size)
				var n int
				var err error
				for err == nil && (n < size || announced < 0) {
					var m int
					m, err = r.Read(append(got, 0)[n:])
					n += m
				}
				if size == 0 && announced == 0 {
					_, err = r.Read(make([]byte, 1))
				}
				if reasonOf(t, err) != b.want {
					t.Errorf("%s, %d of %d: %v", name, size, announced, err)
				}
				if announced > 0 && n >= size {
					t.Errorf("%s: all %d bytes went out", name, n)
				}
				if _, again := r.Read(make([]byte, 1)); !errors.Is(again, err) {
					t.Errorf("%s: then %v", name, again)
				}
				if _, ok := r.MD5(); ok {
					t.Errorf("%s: digests after a failure", name)
				}
			}
		}
	}
}

func TestMismatchSaysWhatWasComputed(t *testing.T) {
	data := []byte("data")
	payload, digest := sha256.Sum256([]byte("other")), md5.Sum([]byte("other"))
	right, rightMD5 := sha256.Sum256(data), md5.Sum(data)
	for _, c := range []struct {
		opts               checksum.Options
		expected, computed string
	}{
		{checksum.Options{PayloadSHA256: &payload}, hex.EncodeToString(payload[:]), hex.EncodeToString(right[:])},
		{checksum.Options{ContentMD5: &digest}, base64.StdEncoding.EncodeToString(digest[:]), base64.StdEncoding.EncodeToString(rightMD5[:])},
		{checksum.Options{Value: value(t, checksum.SHA1, nil)}, value(t, checksum.SHA1, nil).String(), value(t, checksum.SHA1, data).String()},
	} {
		c.opts.Size = -1
		_, err := io.ReadAll(checksum.NewReader(bytes.NewReader(data), &c.opts))
		var e *checksum.Error
		if !errors.As(err, &e) || e.Expected != c.expected || e.Computed != c.computed || !strings.Contains(e.Error(), "did not match") && !strings.Contains(e.Error(), "does not match") {
			t.Errorf("got %+v", e)
		}
	}
}

func TestSizes(t *testing.T) {
	for _, size := range edges() {
		data := pattern(size)
		r := checksum.NewReader(bytes.NewReader(data), promises(t, data, int64(size)+1))
		got, err := io.ReadAll(r)
		if reasonOf(t, err) != checksum.Incomplete || len(got) > size {
			t.Errorf("%d, one too few: %v", size, err)
		}
		if size == 0 {
			continue
		}
		r = checksum.NewReader(bytes.NewReader(data), promises(t, data[:size-1], int64(size)-1))
		got, err = io.ReadAll(r)
		if reasonOf(t, err) != checksum.TooLong || len(got) >= size-1 && size > 1 {
			t.Errorf("%d, one too many: %d bytes, %v", size, len(got), err)
		}
	}
}

// failing returns data and then an error that is not the end.
func failing(data []byte, err error) io.Reader {
	return io.MultiReader(bytes.NewReader(data), iotest.ErrReader(err))
}

type wrappedEOF struct{}

func (wrappedEOF) Error() string { return "wrapped" }
func (wrappedEOF) Unwrap() error { return io.EOF }

func TestSourceErrors(t *testing.T) {
	for _, failure := range []error{errors.New("reset"), io.ErrUnexpectedEOF, wrappedEOF{}} {
		for _, size := range edges() {
			data := pattern(size)
			for _, announced := range []int64{-1, int64(size), int64(size) + 5} {
				r := checksum.NewReader(failing(data, failure), promises(t, data, announced))
				got, err := io.ReadAll(r)
				if !errors.Is(err, failure) {
					t.Errorf("%v after %d of %d: %v", failure, size, announced, err)
				}
				if int64(len(got)) == announced && announced > 0 {
					t.Errorf("%v after %d: everything went out", failure, size)
				}
				if _, ok := r.Value(checksum.CRC32); ok {
					t.Error("digests after a failure")
				}
			}
		}
	}
	r := checksum.NewReader(stuck{}, &checksum.Options{Size: 0})
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestTrailerIsAskedForAfterTheEndOnly(t *testing.T) {
	for _, size := range []int{0, 100, 3*block + 1} {
		data := pattern(size)
		ended, asked := false, 0
		src := readerFunc(func(p []byte) (int, error) {
			if len(data) == 0 {
				ended = true
				return 0, io.EOF
			}
			n := copy(p, data)
			data = data[n:]
			return n, nil
		})
		want := value(t, checksum.SHA256, data)
		r := checksum.NewReader(src, &checksum.Options{Size: int64(size), Trailer: checksum.SHA256, TrailerValue: func() (string, bool) {
			asked++
			if !ended {
				t.Error("asked before the end")
			}
			return want.String(), true
		}})
		if _, err := io.Copy(io.Discard, r); err != nil || asked != 1 {
			t.Errorf("asked %d times, %v", asked, err)
		}
		if r.Promised() != checksum.SHA256 {
			t.Errorf("promised %v", r.Promised())
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestWant(t *testing.T) {
	r := checksum.NewReader(strings.NewReader("data"), nil)
	if r.Promised() != checksum.None || r.Size() != -1 {
		t.Errorf("promised %v, size %d", r.Promised(), r.Size())
	}
	r.Want(checksum.CRC64NVME)
	r.Want(checksum.CRC64NVME)
	r.Want(checksum.None)
	r.WantMD5()
	r.WantMD5()
	if _, err := io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	r.Want(checksum.CRC64NVME) // there already
	if v, ok := r.Value(checksum.CRC64NVME); !ok || v != value(t, checksum.CRC64NVME, []byte("data")) {
		t.Errorf("got %v", v)
	}
	if _, ok := r.Value(checksum.SHA1); ok {
		t.Error("a digest nobody wanted")
	}
	if _, ok := r.Value(checksum.None); ok {
		t.Error("None has a value")
	}
	for name, misuse := range map[string]func(){
		"late Want":    func() { r.Want(checksum.SHA1) },
		"no algorithm": func() { checksum.NewReader(nil, nil).Want(checksum.Algorithm(99)) },
		"no function":  func() { checksum.NewReader(nil, &checksum.Options{Trailer: checksum.SHA1}) },
		"bad source": func() {
			_, _ = checksum.NewReader(readerFunc(func(p []byte) (int, error) { return len(p) + 1, nil }), nil).Read(make([]byte, 1))
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			misuse()
		}()
	}
}

func TestClose(t *testing.T) {
	var buffers checksum.Buffers
	for _, read := range []int{0, 1, block, 2*block + 5, 9 * block} {
		data := pattern(20 * block)
		opts := promises(t, data, int64(len(data)))
		opts.Buffers = &buffers
		r := checksum.NewReader(bytes.NewReader(data), opts)
		if _, err := io.ReadFull(r, make([]byte, read)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		if n, err := r.Read(make([]byte, 10)); n != 0 || err == nil || errors.Is(err, io.EOF) {
			t.Errorf("after Close: %d, %v", n, err)
		}
		// The blocks went back while a worker may have had one: a fresh stream on them must be right.
		opts = promises(t, data, int64(len(data)))
		opts.Buffers = &buffers
		if _, err := io.Copy(io.Discard, checksum.NewReader(bytes.NewReader(data), opts)); err != nil {
			t.Error(err)
		}
	}
}

// TestNoGoroutineStaysBehind: a bubble panics if a goroutine in it is left blocked.
func TestNoGoroutineStaysBehind(t *testing.T) {
	for _, read := range []int{1, block, 5*block + 1, 20 * block} {
		for _, finish := range []string{"abandon", "close", "fail"} {
			synctest.Test(t, func(t *testing.T) {
				data := pattern(read)
				src := failing(data, errors.New("reset"))
				r := checksum.NewReader(src, &checksum.Options{Size: int64(read) * 2, MD5: true, Algorithms: checksum.Algorithms()})
				if _, err := io.ReadFull(r, make([]byte, read)); err != nil {
					t.Fatal(err)
				}
				switch finish {
				case "close":
					_ = r.Close()
				case "fail":
					if _, err := r.Read(make([]byte, 1)); err == nil {
						t.Error("no error")
					}
				}
				synctest.Wait()
			})
		}
	}
}

func FuzzParseHeaders(f *testing.F) {
	f.Add("rL0Y20zC+Fzt72VPzMSk2A==", "x-amz-checksum-crc32", "AAAAAA==", "CRC32", "x-amz-checksum-sha1")
	f.Add("", "x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-12", "", "")
	f.Add("", "x-amz-checksum-crc64nvme", "rosUhgp5mIg=", "MD5", "x-amz-checksum-crc64nvme")
	f.Fuzz(func(t *testing.T, contentMD5, name, text, algorithm, trailer string) {
		h := map[string][]string{}
		for key, v := range map[string]string{"Content-Md5": contentMD5, "X-Amz-Sdk-Checksum-Algorithm": algorithm} {
			if v != "" {
				h[key] = []string{v}
			}
		}
		h[name] = []string{text}
		p, err := checksum.ParseHeaders(h, []string{trailer})
		if err != nil {
			reasonOf(t, err)
		} else if !p.Value.IsZero() && (p.Value.String() != text || p.Value.Composite() || p.Trailer != checksum.None || p.Algorithm != p.Value.Algorithm()) {
			t.Errorf("%q became %+v", text, p)
		}
		for _, a := range checksum.Algorithms() {
			v, err := checksum.ParseValue(a, text)
			if err != nil {
				reasonOf(t, err)
				continue
			}
			// One value, one text.
			if v.String() != text || v.Algorithm() != a {
				t.Errorf("%q became %v", text, v)
			}
			again, err := checksum.NewValue(a, v.Sum(), v.Parts())
			if err != nil || again != v {
				t.Errorf("%v became %v, %v", v, again, err)
			}
		}
	})
}
