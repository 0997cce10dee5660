package driver_test

import (
	"bytes"
	"io"
	"testing"

	"sallyport/providers/driver"
)

func TestHeld(t *testing.T) {
	data := []byte("ciphertext")
	size := int64(len(data))
	m := driver.NewMemory(data)
	if got := driver.Held(m, size); !bytes.Equal(got, data) {
		t.Errorf("holds %q", got)
	}
	for _, other := range []int64{size - 1, size + 1} {
		if got := driver.Held(m, other); got != nil {
			t.Errorf("a body said to have %d bytes holds %q", other, got)
		}
	}
	if driver.Held(bytes.NewReader(data), size) != nil {
		t.Error("a reader that says nothing of memory is held")
	}
	if _, err := m.ReadByte(); err != nil {
		t.Fatal(err)
	}
	if driver.Held(m, size) != nil || driver.Held(m, size-1) != nil {
		t.Error("a body of which something was read is held")
	}
	if _, err := m.Seek(0, io.SeekStart); err != nil || driver.Held(m, size) == nil {
		t.Errorf("rewound it is not held, %v", err)
	}
	if driver.Held(driver.NewMemory([]byte{}), 0) == nil {
		t.Error("an empty body is not held")
	}
}
