package providers

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"sallyport/providers/driver"
	"sallyport/providers/mem"
)

// A gateway that runs for years meets more keys than it can remember.
func TestSingleGatewayForgetsKeys(t *testing.T) {
	d := SingleGateway(mem.New(&mem.Options{NoPutIfMatch: true}))
	s, ok := d.(*singleGateway)
	if !ok {
		t.Fatalf("%T", d)
	}
	for i := range 200 {
		key := fmt.Sprint("key", i)
		if _, err := s.Put(t.Context(), key, strings.NewReader("x"), 1, &driver.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		_, err := s.Put(t.Context(), key, strings.NewReader("x"), 1, &driver.PutOptions{IfMatch: "other"})
		if !driver.Is(err, driver.PreconditionFailed) {
			t.Fatal(err)
		}
	}
	unlock, err := s.lock(t.Context(), "Put", "held", exclusive)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.lock(ctx, "Put", "held", 1); !driver.Is(err, driver.Canceled) {
		t.Fatal(err)
	}
	if n := s.locks(); n != 1 {
		t.Errorf("%d locks while one is held", n)
	}
	unlock()
	if n := s.locks(); n != 0 {
		t.Errorf("%d locks when none is held", n)
	}
}

func (s *singleGateway) locks() int {
	n := 0
	for i := range s.stripes {
		s.stripes[i].mu.Lock()
		n += len(s.stripes[i].keys)
		s.stripes[i].mu.Unlock()
	}
	return n
}
