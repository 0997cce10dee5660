package checksum_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash/crc32"
	"net/http"
	"strings"
	"testing"

	"github.com/minio/crc64nvme"
	"github.com/minio/minio-go/v7"

	"sallyport/gateway/checksum"
)

func pattern(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i*7 + i>>8)
	}
	return data
}

func reasonOf(t testing.TB, err error) checksum.Reason {
	t.Helper()
	if err == nil {
		return 0
	}
	var e *checksum.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is a %T: %v", err, err)
	}
	return e.Reason
}

// sum computes a digest with other code than the package's.
func sum(a checksum.Algorithm, data []byte) []byte {
	switch a {
	case checksum.CRC32:
		return bigEndian(uint64(crc32.ChecksumIEEE(data)), 4)
	case checksum.CRC32C:
		return bigEndian(uint64(crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))), 4)
	case checksum.CRC64NVME:
		return bigEndian(crc64nvme.Checksum(data), 8)
	case checksum.SHA1:
		s := sha1.Sum(data)
		return s[:]
	case checksum.SHA256:
		s := sha256.Sum256(data)
		return s[:]
	default:
		panic("no algorithm")
	}
}

func bigEndian(n uint64, size int) []byte {
	var b []byte
	for i := size - 1; i >= 0; i-- {
		b = append(b, byte(n>>(8*i)))
	}
	return b
}

func value(t testing.TB, a checksum.Algorithm, data []byte) checksum.Value {
	t.Helper()
	v, err := checksum.NewValue(a, sum(a, data), 0)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The check values of the CRC catalogue and of FIPS 180, over "123456789" and "abc".
func TestKnownValues(t *testing.T) {
	for a, want := range map[checksum.Algorithm]string{checksum.CRC32: "cbf43926", checksum.CRC32C: "e3069283", checksum.CRC64NVME: "ae8b14860a799888"} {
		r := checksum.NewReader(strings.NewReader("123456789"), &checksum.Options{Size: -1, Algorithms: []checksum.Algorithm{a}})
		if _, err := bytes.NewBuffer(nil).ReadFrom(r); err != nil {
			t.Fatal(err)
		}
		v, ok := r.Value(a)
		if got := hexOf(v.Sum()); !ok || got != want {
			t.Errorf("%v: %s, want %s", a, got, want)
		}
	}
	// The example in the S3 user guide's trailer pages: 65 KiB of "a" have the CRC32C sOO8/Q==.
	v := value(t, checksum.CRC32C, bytes.Repeat([]byte("a"), 66560))
	if v.String() != "sOO8/Q==" {
		t.Errorf("got %s", v)
	}
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

func TestAlgorithmNames(t *testing.T) {
	for _, a := range checksum.Algorithms() {
		for _, name := range []string{a.String(), strings.ToLower(a.String())} {
			got, err := checksum.ParseAlgorithm(name)
			if got != a || err != nil {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
		for _, name := range []string{a.Header(), http.CanonicalHeaderKey(a.Header()), strings.ToUpper(a.Header())} {
			got, err := checksum.ParseHeaderName(name)
			if got != a || err != nil {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
		if a.Header() != "x-amz-checksum-"+strings.ToLower(a.String()) || a.Size() != len(sum(a, nil)) {
			t.Errorf("%v: %s, %d", a, a.Header(), a.Size())
		}
	}
	for name, want := range map[string]checksum.Reason{
		"": checksum.UnknownAlgorithm, "CRC": checksum.UnknownAlgorithm, "CRC32 ": checksum.UnknownAlgorithm, "SHA512": checksum.UnsupportedAlgorithm, "md5": checksum.UnsupportedAlgorithm,
		"XXHASH3": checksum.UnsupportedAlgorithm,
	} {
		if _, err := checksum.ParseAlgorithm(name); reasonOf(t, err) != want {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "x-amz-checksum-", "x-amz-checksum-type", "x-amz-checksum", "content-md5"} {
		if _, err := checksum.ParseHeaderName(name); reasonOf(t, err) != checksum.UnknownAlgorithm {
			t.Errorf("%q: %v", name, err)
		}
	}
	if checksum.None.Header() != "" || checksum.None.Size() != 0 || checksum.None.String() != "" || checksum.Algorithm(99).Size() != 0 {
		t.Error("None or an unknown number has properties")
	}
}

func TestTypes(t *testing.T) {
	const full, composite = true, true
	for a, allowed := range map[checksum.Algorithm][2]bool{
		checksum.CRC32: {full, composite}, checksum.CRC32C: {full, composite}, checksum.CRC64NVME: {full, false}, checksum.SHA1: {false, composite}, checksum.SHA256: {false, composite},
		checksum.None: {false, false},
	} {
		for i, name := range []string{checksum.TypeFullObject, checksum.TypeComposite} {
			got, err := checksum.ParseType(a, name)
			if (err == nil) != allowed[i] || err == nil && got != (i == 1) {
				t.Errorf("%v %s: %v, %v", a, name, got, err)
			}
		}
		got, err := checksum.ParseType(a, "")
		if a != checksum.None && (err != nil || got != allowed[1]) {
			t.Errorf("%v by default: %v, %v", a, got, err)
		}
		if _, err := checksum.ParseType(a, "composite"); reasonOf(t, err) != checksum.InvalidType {
			t.Errorf("got %v", err)
		}
	}
}

func TestValues(t *testing.T) {
	for _, a := range checksum.Algorithms() {
		v := value(t, a, pattern(1000))
		plain := base64.StdEncoding.EncodeToString(sum(a, pattern(1000)))
		if v.String() != plain || v.Composite() || v.Algorithm() != a {
			t.Errorf("got %s, want %s", v, plain)
		}
		for _, text := range []string{plain, plain + "-1", plain + "-10000"} {
			parsed, err := checksum.ParseValue(a, text)
			if err != nil || parsed.String() != text || parsed.Composite() != strings.Contains(text, "-") || parsed.Equal(v) != (text == plain) {
				t.Errorf("%s: %v, %v", text, parsed, err)
			}
		}
		for _, text := range []string{
			"", plain[1:], plain + "=", plain + " ", " " + plain, plain + "\n", plain[:2] + "\n" + plain[2:], "\r\n" + plain[2:], strings.TrimRight(plain, "="), "!" + plain[1:], "_" + plain[1:],
			plain + "-", plain + "-0", plain + "-01", plain + "-+1", plain + "-10001", plain + "--1", plain + "1", plain + "-1 ", plain + "-99999999999",
		} {
			if _, err := checksum.ParseValue(a, text); reasonOf(t, err) != checksum.InvalidValue {
				t.Errorf("%v %q: %v", a, text, err)
			}
		}
		for _, bad := range [][]byte{nil, make([]byte, a.Size()-1), make([]byte, a.Size()+1)} {
			if _, err := checksum.NewValue(a, bad, 0); reasonOf(t, err) != checksum.InvalidValue {
				t.Errorf("%v of %d bytes: %v", a, len(bad), err)
			}
		}
	}
	// Bits beyond the digest would let two texts mean one value.
	if _, err := checksum.ParseValue(checksum.CRC32, "AAAAAB=="); reasonOf(t, err) != checksum.InvalidValue {
		t.Errorf("stray bits: %v", err)
	}
	if _, err := checksum.ParseValue(checksum.None, ""); reasonOf(t, err) != checksum.InvalidValue {
		t.Errorf("no algorithm: %v", err)
	}
	var zero checksum.Value
	if !zero.IsZero() || zero.String() != "" || zero.Sum() != nil || zero.Equal(value(t, checksum.CRC32, nil)) {
		t.Error("the zero value is something")
	}
}

func TestParseHeaders(t *testing.T) {
	data := []byte("data")
	crc, other := value(t, checksum.CRC32, data), value(t, checksum.SHA256, data)
	digest := md5.Sum(data)
	contentMD5 := base64.StdEncoding.EncodeToString(digest[:])
	for name, c := range map[string]struct {
		header   map[string][]string
		trailers []string
		want     checksum.Promise
		reason   checksum.Reason
	}{
		"nothing":             {},
		"MD5":                 {header: map[string][]string{"Content-Md5": {contentMD5}}, want: checksum.Promise{ContentMD5: &digest}},
		"MD5 empty":           {header: map[string][]string{"Content-Md5": {""}}, reason: checksum.InvalidContentMD5},
		"MD5 short":           {header: map[string][]string{"Content-Md5": {contentMD5[4:]}}, reason: checksum.InvalidContentMD5},
		"MD5 twice":           {header: map[string][]string{"Content-Md5": {contentMD5, contentMD5}}, reason: checksum.InvalidContentMD5},
		"MD5 hex":             {header: map[string][]string{"Content-Md5": {"8d777f385d3dfec8815d20f7496026dc"}}, reason: checksum.InvalidContentMD5},
		"MD5 broken lines":    {header: map[string][]string{"Content-Md5": {contentMD5[:20] + "\r\n=="}}, reason: checksum.InvalidContentMD5},
		"value":               {header: map[string][]string{crc.Algorithm().Header(): {crc.String()}}, want: checksum.Promise{Value: crc, Algorithm: checksum.CRC32}},
		"value, algorithm":    {header: map[string][]string{crc.Algorithm().Header(): {crc.String()}, "x-amz-sdk-checksum-algorithm": {"crc32"}}, want: checksum.Promise{Value: crc, Algorithm: checksum.CRC32}},
		"value, other":        {header: map[string][]string{crc.Algorithm().Header(): {crc.String()}, "x-amz-sdk-checksum-algorithm": {"SHA256"}}, reason: checksum.AlgorithmConflict},
		"algorithm twice":     {header: map[string][]string{crc.Algorithm().Header(): {crc.String()}, "x-amz-sdk-checksum-algorithm": {"CRC32", "CRC32"}}, reason: checksum.AlgorithmConflict},
		"algorithm unknown":   {header: map[string][]string{"x-amz-sdk-checksum-algorithm": {"x"}}, reason: checksum.UnknownAlgorithm},
		"algorithm alone":     {header: map[string][]string{"x-amz-sdk-checksum-algorithm": {"CRC32"}}, reason: checksum.MissingChecksum},
		"algorithm, MD5":      {header: map[string][]string{"x-amz-sdk-checksum-algorithm": {"CRC32"}, "Content-Md5": {contentMD5}}, want: checksum.Promise{ContentMD5: &digest, Algorithm: checksum.CRC32}},
		"two values":          {header: map[string][]string{crc.Algorithm().Header(): {crc.String()}, other.Algorithm().Header(): {other.String()}}, reason: checksum.MultipleChecksums},
		"value twice":         {header: map[string][]string{crc.Algorithm().Header(): {crc.String(), crc.String()}}, reason: checksum.MultipleChecksums},
		"value malformed":     {header: map[string][]string{crc.Algorithm().Header(): {"x"}}, reason: checksum.InvalidValue},
		"value empty":         {header: map[string][]string{crc.Algorithm().Header(): {""}}, reason: checksum.InvalidValue},
		"value composite":     {header: map[string][]string{crc.Algorithm().Header(): {crc.String() + "-1"}}, reason: checksum.InvalidValue},
		"value unknown":       {header: map[string][]string{"x-amz-checksum-crc16": {"x"}}, reason: checksum.UnknownAlgorithm},
		"value unsupported":   {header: map[string][]string{"x-amz-checksum-sha512": {"x"}}, reason: checksum.UnsupportedAlgorithm},
		"settings":            {header: map[string][]string{"x-amz-checksum-mode": {"ENABLED"}, "x-amz-checksum-type": {"x"}, "x-amz-checksum-algorithm": {"x"}}},
		"trailer":             {trailers: []string{"x-amz-checksum-sha1", "x-other"}, want: checksum.Promise{Trailer: checksum.SHA1, Algorithm: checksum.SHA1}},
		"trailer, algorithm":  {header: map[string][]string{"x-amz-sdk-checksum-algorithm": {"SHA1"}}, trailers: []string{"x-amz-checksum-sha1"}, want: checksum.Promise{Trailer: checksum.SHA1, Algorithm: checksum.SHA1}},
		"trailer, other":      {header: map[string][]string{"x-amz-sdk-checksum-algorithm": {"CRC32"}}, trailers: []string{"x-amz-checksum-sha1"}, reason: checksum.AlgorithmConflict},
		"two trailers":        {trailers: []string{"x-amz-checksum-sha1", "x-amz-checksum-crc32"}, reason: checksum.MultipleChecksums},
		"trailer and value":   {header: map[string][]string{crc.Algorithm().Header(): {crc.String()}}, trailers: []string{"x-amz-checksum-crc32"}, reason: checksum.MultipleChecksums},
		"unsupported trailer": {trailers: []string{"x-amz-checksum-xxhash64"}, reason: checksum.UnsupportedAlgorithm},
	} {
		h := http.Header{}
		for key, values := range c.header {
			h[http.CanonicalHeaderKey(key)] = values
		}
		p, err := checksum.ParseHeaders(h, c.trailers)
		if reasonOf(t, err) != c.reason {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err != nil {
			continue
		}
		if (p.ContentMD5 == nil) != (c.want.ContentMD5 == nil) || p.ContentMD5 != nil && *p.ContentMD5 != *c.want.ContentMD5 || p.Value != c.want.Value || p.Trailer != c.want.Trailer || p.Algorithm != c.want.Algorithm {
			t.Errorf("%s: got %+v, want %+v", name, p, c.want)
		}
	}
}

// splits cuts data into parts at sizes that repeat.
func splits(data []byte, sizes ...int) [][]byte {
	var parts [][]byte
	for i := 0; len(data) > 0; i++ {
		n := min(sizes[i%len(sizes)], len(data))
		parts = append(parts, data[:n])
		data = data[n:]
	}
	return parts
}

func TestCombine(t *testing.T) {
	data := pattern(100000)
	for _, a := range checksum.Algorithms() {
		for _, sizes := range [][]int{{len(data)}, {1, 99999}, {50000}, {65536}, {1000, 1, 4096, 777}, {7}} {
			pieces := splits(data, sizes...)
			var parts []checksum.Part
			for _, p := range pieces {
				parts = append(parts, checksum.Part{Value: value(t, a, p), Size: int64(len(p))})
			}
			got, err := checksum.Combine(a, parts)
			if !a.AllowsFullObject() {
				if reasonOf(t, err) != checksum.InvalidType {
					t.Errorf("%v: %v", a, err)
				}
				continue
			}
			if err != nil || got != value(t, a, data) {
				t.Errorf("%v in %d parts: %v, %v", a, len(parts), got, err)
			}
		}
	}
	for _, a := range []checksum.Algorithm{checksum.CRC32, checksum.CRC32C, checksum.CRC64NVME} {
		empty := checksum.Part{Value: value(t, a, nil)}
		one := checksum.Part{Value: value(t, a, data), Size: int64(len(data))}
		for _, parts := range [][]checksum.Part{{one, empty}, {empty, one}, {empty, one, empty, empty}} {
			if got, err := checksum.Combine(a, parts); err != nil || got != one.Value {
				t.Errorf("%v with empty parts: %v, %v", a, got, err)
			}
		}
		swapped := []checksum.Part{{Value: value(t, a, data[:10]), Size: 10}, {Value: value(t, a, data[10:20]), Size: 10}}
		right, _ := checksum.Combine(a, swapped)
		swapped[0], swapped[1] = swapped[1], swapped[0]
		if wrong, _ := checksum.Combine(a, swapped); wrong == right {
			t.Errorf("%v does not see the order", a)
		}
		other := checksum.CRC32
		if a == other {
			other = checksum.CRC32C
		}
		for name, parts := range map[string][]checksum.Part{"none": nil, "other algorithm": {one, {Value: value(t, other, nil)}}, "negative": {one, {Value: one.Value, Size: -1}}, "zero": {{}}} {
			if _, err := checksum.Combine(a, parts); reasonOf(t, err) != checksum.InvalidValue {
				t.Errorf("%v %s: %v", a, name, err)
			}
		}
	}
	// Sizes far beyond 32 bits: 4 TiB of zeros in 4,096 parts equal the same by doubling.
	const half = int64(5) << 39
	zeros := value(t, checksum.CRC64NVME, make([]byte, 1<<20))
	doubled := checksum.Part{Value: zeros, Size: 1 << 20}
	for doubled.Size < half {
		v, err := checksum.Combine(checksum.CRC64NVME, []checksum.Part{doubled, doubled})
		if err != nil {
			t.Fatal(err)
		}
		doubled = checksum.Part{Value: v, Size: doubled.Size * 2}
	}
	many := make([]checksum.Part, doubled.Size>>20/1024)
	unit, err := checksum.Combine(checksum.CRC64NVME, slicesRepeat(checksum.Part{Value: zeros, Size: 1 << 20}, 1024))
	if err != nil {
		t.Fatal(err)
	}
	for i := range many {
		many[i] = checksum.Part{Value: unit, Size: 1 << 30}
	}
	if got, err := checksum.Combine(checksum.CRC64NVME, many); err != nil || got != doubled.Value {
		t.Errorf("got %v, %v, want %v", got, err, doubled.Value)
	}
}

func slicesRepeat(p checksum.Part, n int) []checksum.Part {
	parts := make([]checksum.Part, n)
	for i := range parts {
		parts[i] = p
	}
	return parts
}

// TestCompositeOracle compares with what minio-go computes for its own multipart uploads.
func TestCompositeOracle(t *testing.T) {
	data := pattern(50000)
	theirs := map[checksum.Algorithm]minio.ChecksumType{checksum.CRC32: minio.ChecksumCRC32, checksum.CRC32C: minio.ChecksumCRC32C, checksum.SHA1: minio.ChecksumSHA1, checksum.SHA256: minio.ChecksumSHA256}
	for _, a := range checksum.Algorithms() {
		var parts []checksum.Value
		var objectParts []minio.ObjectPart
		for i, p := range splits(data, 20000) {
			v := value(t, a, p)
			parts = append(parts, v)
			objectParts = append(objectParts, minio.ObjectPart{
				PartNumber: i + 1, ChecksumCRC32: v.String(), ChecksumCRC32C: v.String(), ChecksumSHA1: v.String(), ChecksumSHA256: v.String(),
			})
		}
		got, err := checksum.Composite(a, parts)
		if !a.AllowsComposite() {
			if reasonOf(t, err) != checksum.InvalidType {
				t.Errorf("%v: %v", a, err)
			}
			continue
		}
		want, wantErr := theirs[a].CompositeChecksum(objectParts)
		if err != nil || wantErr != nil || got.String() != want.Encoded()+"-3" || got.Parts() != 3 {
			t.Errorf("%v: %v, %v; minio-go says %v, %v", a, got, err, want, wantErr)
		}
		for name, parts := range map[string][]checksum.Value{"none": nil, "composite part": {got}, "zero": {{}}, "too many": make([]checksum.Value, checksum.MaxParts+1)} {
			if _, err := checksum.Composite(a, parts); reasonOf(t, err) != checksum.InvalidValue {
				t.Errorf("%v %s: %v", a, name, err)
			}
		}
	}
}

func TestETags(t *testing.T) {
	if got := checksum.ETag(md5.Sum(nil)); got != "d41d8cd98f00b204e9800998ecf8427e" {
		t.Errorf("got %s", got)
	}
	one, two := md5.Sum([]byte("one")), md5.Sum([]byte("two"))
	both := md5.Sum(append(one[:], two[:]...))
	if got, want := checksum.MultipartETag([][md5.Size]byte{one, two}), hexOf(both[:])+"-2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := checksum.MultipartETag(nil); got != "" {
		t.Errorf("got %q", got)
	}
}
