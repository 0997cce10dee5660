package s3driver_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"sallyport/providers/driver"
	"sallyport/providers/s3"
)

// The driver beside minio-go alone, on one MinIO: what its own work costs. minio-go sends what it sends by default.
func BenchmarkTransfer(b *testing.B) {
	bench := newBench(b, false)
	config := bench.config
	config.FolderClash = s3.ClashIgnore
	alone, err := s3.Open(b.Context(), config.For(s3.FlavourMinIO), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer alone.Close()
	checking := bench.open(b, "checked")
	for _, size := range []int{4 << 10, 1 << 20, 32 << 20} {
		data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
		through := func(d driver.Driver) func() error {
			return func() error {
				_, err := d.Put(b.Context(), "folder/put", stream{bytes.NewReader(data)}, int64(size), &driver.PutOptions{})
				return err
			}
		}
		read := func(r io.ReadCloser, err error) error {
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, r)
			_ = r.Close()
			return err
		}
		for _, c := range []struct {
			name string
			call func() error
		}{
			{"Put/minio-go", func() error {
				_, err := bench.client.PutObject(b.Context(), bucketName, "put", stream{bytes.NewReader(data)}, int64(size), minio.PutObjectOptions{DisableMultipart: true})
				return err
			}},
			{"Put/driver", through(alone)},
			{"Put/driver that looks for clashes", through(checking)},
			{"Get/minio-go", func() error {
				core := minio.Core{Client: bench.client}
				r, _, _, err := core.GetObject(b.Context(), bucketName, "put", minio.GetObjectOptions{})
				return read(r, err)
			}},
			{"Get/driver", func() error {
				r, _, err := alone.Get(b.Context(), "folder/put", &driver.GetOptions{})
				return read(r, err)
			}},
		} {
			b.Run(strings.ReplaceAll(fmt.Sprintf("%s/%dKiB", c.name, size>>10), " ", "-"), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if err := c.call(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
