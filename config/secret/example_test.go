package secret_test

import (
	"fmt"
	"strings"

	"sallyport/config/secret"
)

func Example() {
	password, err := secret.Read(strings.NewReader("correct horse\n"))
	if err != nil {
		panic(err)
	}
	fmt.Printf("%v %q %x\n", password, password, struct{ Field any }{password.Text()})
	fmt.Println(password.Equal(secret.NewBytes([]byte("correct horse"))))
	// Output:
	// REDACTED REDACTED {REDACTED}
	// true
}
