package export_synod_detector_detector

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

const schema = `{"type":"object","additionalProperties":false,"properties":{"shrinkage":{"type":"number","minimum":0.000001,"maximum":1,
"default":0.01,"description":"Share of each feature's own variance that its covariances give way to: 1 looks at features one by one."}}}`

type parameters struct {
	Shrinkage float64 `json:"shrinkage"`
}

// parse reads the parameters, and says what is wrong with them.
func parse(text string) (parameters, error) {
	wanted := parameters{Shrinkage: 0.01}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	var mistyped *json.UnmarshalTypeError
	if err := decoder.Decode(&wanted); errors.As(err, &mistyped) && mistyped.Field != "" {
		return wanted, fmt.Errorf("%s: must be a number, not a %s", mistyped.Field, mistyped.Value)
	} else if err != nil {
		return wanted, errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := decoder.Token(); err != io.EOF || !strings.HasPrefix(strings.TrimSpace(text), "{") {
		return wanted, errors.New("the parameters must be one JSON object")
	}
	if wanted.Shrinkage < 1e-6 || wanted.Shrinkage > 1 {
		return wanted, fmt.Errorf("shrinkage: %v is not 0.000001 to 1", wanted.Shrinkage)
	}
	return wanted, nil
}
