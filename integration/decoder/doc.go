// Package decoder holds a second reader of everything Sallyport keeps, and the tests that run it.
//
// decoder.py, in Python on Debian's package python3-cryptography, opens object files and the notes of uploads; a function of the tests here, on Go's
// standard library, opens the vault file and system records, because that package has no ML-KEM. Both were written from docs/FORMAT.md and from
// nothing else, so that what they open is what the document says and not what the product happens to do. What was added to them later
// stands in a sentence of the document first, and has a vector.
//
// It promises that every frozen vector is opened or refused as its manifest says, that a check left out of decoder.py is noticed by the
// vectors that omissions_test.go names, and that what a running gateway writes is opened too. It does not promise speed. A missing Python
// is a failure and not a skip; only -short leaves these tests out.
package decoder
