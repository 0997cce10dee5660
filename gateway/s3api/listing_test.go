package s3api

import (
	"fmt"
	"testing"
	"time"

	"sallyport/gateway/objects"
)

func BenchmarkWriteContents(b *testing.B) {
	out := &objects.ListOutput{}
	for i := range maxKeys {
		out.Objects = append(out.Objects, objects.ListedObject{
			Key: fmt.Sprintf("folder/%d/file-%06d", i/100, i), Size: int64(1000 + i), ETag: fmt.Sprintf("%032x", i), ModTime: time.Unix(1_700_000_000+int64(i), 0),
		})
	}
	p := &page{out: out, encode: urlEncode}
	b.ReportAllocs()
	for b.Loop() {
		d := newDocument("ListBucketResult")
		p.writeContents(d, false)
		if len(d.bytes()) < maxKeys {
			b.Fatal("short")
		}
	}
}
