package keys_test

import (
	"fmt"

	"sallyport/crypto/keys"
)

func ExampleVRK() {
	vrk := keys.NewVRK()
	defer vrk.Clear()
	fmt.Printf("%v %x %#v\n", vrk, vrk.StateKey(), struct{ inside keys.VRK }{vrk}.inside)
	// Output: REDACTED REDACTED REDACTED
}
