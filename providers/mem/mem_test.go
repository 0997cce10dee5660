package mem_test

import (
	"testing"

	"sallyport/providers/driver"
	"sallyport/providers/drivertest"
	"sallyport/providers/mem"
)

func harness(opts mem.Options) drivertest.Harness {
	return drivertest.Harness{
		NewDriver: func(*testing.T) driver.Driver { return mem.New(&opts) },
		Reopen: func(t *testing.T, d driver.Driver) driver.Driver {
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			return d.(*mem.Driver).Reopen()
		},
	}
}

func TestConformance(t *testing.T) { drivertest.Run(t, harness(mem.Options{})) }

func TestConformanceWithoutConditions(t *testing.T) {
	drivertest.Run(t, harness(mem.Options{
		NoPutIfNoneMatch: true, NoPutIfMatch: true, NoCompleteIfNoneMatch: true, NoCompleteIfMatch: true, NoConditionalDelete: true, NoCopyPart: true,
	}))
}

func TestConformanceWithLimits(t *testing.T) {
	drivertest.Run(t, harness(mem.Options{MaxObject: 8 << 20, MinPart: 2000, MaxPart: 1 << 20, MaxKey: 700, EqualParts: true}))
}
