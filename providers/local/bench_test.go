package local_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"sallyport/providers/driver"
	"sallyport/providers/local"
)

// writePlain is the least that a durable write can be: a new file, synced, and its directory synced.
func writePlain(dir, name string, data []byte) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := d.Sync(); err != nil {
		return err
	}
	return d.Close()
}

func BenchmarkPut(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20, 32 << 20} {
		data := bytes.Repeat([]byte("x"), size)
		b.Run(fmt.Sprintf("%dKiB/plain file", size>>10), func(b *testing.B) {
			dir := b.TempDir()
			b.SetBytes(int64(size))
			for i := 0; b.Loop(); i++ {
				if err := writePlain(dir, fmt.Sprint(i%100), data); err != nil {
					b.Fatal(err)
				}
			}
		})
		for _, durability := range []string{local.DurabilityFull, local.DurabilityOff} {
			b.Run(fmt.Sprintf("%dKiB/%s", size>>10, durability), func(b *testing.B) {
				f, err := local.Open(b.Context(), &local.Config{Path: b.TempDir(), Durability: durability}, nil)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if _, err := f.Put(b.Context(), fmt.Sprint("b/", i%100), bytes.NewReader(data), int64(size), &driver.PutOptions{}); err != nil {
						b.Fatal(err)
					}
				}
				if err := f.Close(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

func BenchmarkPutParallel(b *testing.B) {
	data := bytes.Repeat([]byte("x"), 4<<10)
	b.Run("plain file", func(b *testing.B) {
		dir := b.TempDir()
		var n atomic.Int64
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := writePlain(dir, fmt.Sprint(n.Add(1)%1000), data); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("full", func(b *testing.B) {
		f, err := local.Open(b.Context(), &local.Config{Path: b.TempDir()}, nil)
		if err != nil {
			b.Fatal(err)
		}
		var n atomic.Int64
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := f.Put(b.Context(), fmt.Sprint("b/", n.Add(1)%1000), bytes.NewReader(data), int64(len(data)), &driver.PutOptions{}); err != nil {
					b.Error(err)
				}
			}
		})
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkGet(b *testing.B) {
	for _, size := range []int{4 << 10, 32 << 20} {
		dir := b.TempDir()
		f := open(b, dir, local.LayoutVerbatim)
		put(b, f, "b/d/k", string(make([]byte, size)))
		buffer := make([]byte, 64<<10)
		b.Run(fmt.Sprintf("%dKiB/plain file", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				r, err := os.Open(filepath.Join(dir, "b", "d", "k"))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, buffer); err != nil {
					b.Fatal(err)
				}
				if err := r.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("%dKiB/driver", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				r, _, err := f.Get(b.Context(), "b/d/k", &driver.GetOptions{})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, buffer); err != nil {
					b.Fatal(err)
				}
				if err := r.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkComplete joins eight parts of 8 MiB, which costs a second pass where blocks cannot be shared.
func BenchmarkComplete(b *testing.B) {
	f, err := local.Open(b.Context(), &local.Config{Path: b.TempDir()}, nil)
	if err != nil {
		b.Fatal(err)
	}
	data := bytes.Repeat([]byte("x"), 8<<20)
	b.SetBytes(8 * int64(len(data)))
	for b.Loop() {
		b.StopTimer()
		id, err := f.Uploads().Create(b.Context(), "k", nil)
		if err != nil {
			b.Fatal(err)
		}
		up := driver.Upload{ID: id, Key: "k"}
		var parts []driver.Part
		for n := range 8 {
			part, err := f.Uploads().PutPart(b.Context(), up, n+1, bytes.NewReader(data), int64(len(data)))
			if err != nil {
				b.Fatal(err)
			}
			parts = append(parts, *part)
		}
		b.StartTimer()
		if _, err := f.Uploads().Complete(b.Context(), up, parts, &driver.PutOptions{}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := f.Uploads().Abort(b.Context(), up); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}
