package providers_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/mem"
)

// stack is what a benchmark runs on, so that the difference is what Store costs.
var stacks = []struct {
	name string
	open func(mem.Options) driver.Driver
}{
	{"mem", func(o mem.Options) driver.Driver { return mem.New(&o) }},
	{"Store", func(o mem.Options) driver.Driver { return providers.Open("test", mem.New(&o), nil) }},
	{"StoreSplit", func(o mem.Options) driver.Driver {
		o.SplitAbove = 5 << 20
		return providers.Open("test", mem.New(&o), nil)
	}},
	{"StoreSingleGateway", func(o mem.Options) driver.Driver {
		o.NoPutIfMatch = true
		return providers.Open("test", mem.New(&o), &providers.StoreOptions{SingleGateway: true})
	}},
}

var benchSizes = []int{0, 4 << 10, 1 << 20, 16 << 20}

func BenchmarkPut(b *testing.B) {
	for _, size := range benchSizes {
		data := bytes.Repeat([]byte("x"), size)
		for _, s := range stacks {
			b.Run(fmt.Sprintf("%d/%s", size, s.name), func(b *testing.B) {
				d := s.open(mem.Options{})
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := d.Put(b.Context(), "k", unseekable{bytes.NewReader(data)}, int64(size), &driver.PutOptions{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkGet(b *testing.B) {
	for _, size := range benchSizes {
		data := bytes.Repeat([]byte("x"), size)
		for _, s := range stacks[:2] {
			b.Run(fmt.Sprintf("%d/%s", size, s.name), func(b *testing.B) {
				d := s.open(mem.Options{})
				if _, err := d.Put(b.Context(), "k", bytes.NewReader(data), int64(size), &driver.PutOptions{}); err != nil {
					b.Fatal(err)
				}
				buf := make([]byte, 64<<10)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					r, _, err := d.Get(b.Context(), "k", &driver.GetOptions{})
					if err != nil {
						b.Fatal(err)
					}
					if _, err := io.CopyBuffer(io.Discard, unseekable{r}, buf); err != nil {
						b.Fatal(err)
					}
					if err := r.Close(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkHead(b *testing.B) {
	for _, s := range stacks {
		b.Run(s.name, func(b *testing.B) {
			d := s.open(mem.Options{})
			if _, err := d.Put(b.Context(), "k", bytes.NewReader(nil), 0, &driver.PutOptions{}); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Head(b.Context(), "k"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkList(b *testing.B) {
	for _, s := range stacks[:2] {
		b.Run(s.name, func(b *testing.B) {
			d := s.open(mem.Options{})
			for i := range 20000 {
				if _, err := d.Put(b.Context(), fmt.Sprintf("bucket/%05d", i), bytes.NewReader(nil), 0, &driver.PutOptions{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				opts := driver.ListOptions{}
				for more := true; more; {
					page, err := d.List(b.Context(), &opts)
					if err != nil {
						b.Fatal(err)
					}
					more, opts.After = page.More, page.Entries[len(page.Entries)-1].Key
				}
			}
		})
	}
}

// unseekable hides what a bytes.Reader can do beyond reading, as a body from the network has it.
type unseekable struct{ io.Reader }
