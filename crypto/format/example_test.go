package format_test

import (
	"fmt"

	"sallyport/crypto/format"
)

func ExampleFields() {
	v, err := format.ParseObject([]byte(`{"k":"key","t":5,"later":true}`))
	if err != nil {
		panic(err)
	}
	f := format.NewFields(v)
	key, time := f.Str("k"), f.Int("t")
	unknown, err := f.Unknown()
	fmt.Println(key, time, unknown[0].Key, err)
	// Output: key 5 later <nil>
}
