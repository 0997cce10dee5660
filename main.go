// Sallyport is an S3-compatible gateway that encrypts uploads and decrypts downloads with key material the client supplies, and
// keeps only ciphertext in a folder. Its commands live in gateway/cli.
package main

func main() {}
