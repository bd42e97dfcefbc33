// Package export_synod_detector_detector is a detector of combinations that do not go together: the squared Mahalanobis distance from the
// centre of the training rows (P. C. Mahalanobis, "On the generalised distance in statistics", 1936). An amount and a count may each be
// usual and still never occur together; distances of single features cannot see that, this one does.
//
// The functions that begin with a capital letter are the contract's; wit_exports.go calls them.
package export_synod_detector_detector

import (
	"fmt"
	"wit_component/synod_detector_detector"
	"wit_component/synod_detector_logging"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

type (
	fault       = synod_detector_detector.Error
	matrix      = synod_detector_detector.Matrix
	explanation = synod_detector_detector.Explanation
)

const leastRows = 10

// The model of this instance. The host calls one function at a time.
var loaded *model

func Describe() synod_detector_detector.Description {
	return synod_detector_detector.Description{
		Name:        "example-go",
		Version:     "1.0.0",
		Summary:     "Squared Mahalanobis distance: combinations that do not go together",
		Parameters:  schema,
		MinimumRows: leastRows,
		Explains:    true,
	}
}

func Check(text string) []string {
	if _, err := parse(text); err != nil {
		return []string{err.Error()}
	}
	return nil
}

func Fit(training synod_detector_detector.Training) witTypes.Result[[]uint8, fault] {
	wanted, err := parse(training.Parameters)
	if err != nil {
		return witTypes.Err[[]uint8](synod_detector_detector.MakeErrorParameters(err.Error()))
	}
	rows, err := split(training.Rows)
	if err == nil && len(rows) < leastRows {
		err = fmt.Errorf("%d rows are too few: at least %d are needed", len(rows), leastRows)
	}
	if err != nil {
		return witTypes.Err[[]uint8](synod_detector_detector.MakeErrorData(err.Error()))
	}
	learnt, err := learn(rows, wanted)
	if err != nil {
		return witTypes.Err[[]uint8](synod_detector_detector.MakeErrorData(err.Error()))
	}
	synod_detector_logging.Log(synod_detector_logging.LevelInfo, fmt.Sprintf("centre and spread of %d features", len(learnt.mean)))
	return witTypes.Ok[[]uint8, fault](learnt.bytes())
}

func Merge([][]uint8) witTypes.Result[[]uint8, fault] {
	return witTypes.Err[[]uint8](synod_detector_detector.MakeErrorUnsupported())
}

func Load(bytes []uint8) witTypes.Result[witTypes.Unit, fault] {
	read, err := fromBytes(bytes)
	if err != nil {
		return witTypes.Err[witTypes.Unit](synod_detector_detector.MakeErrorModel(err.Error()))
	}
	loaded = read
	return witTypes.Ok[witTypes.Unit, fault](witTypes.Unit{})
}

func Score(rows matrix) witTypes.Result[[]float64, fault] {
	split, wrong := scoreable(rows)
	if wrong != nil {
		return witTypes.Err[[]float64](*wrong)
	}
	scores := make([]float64, len(split))
	parts := make([]float64, rows.Width)
	for at, row := range split {
		scores[at] = loaded.contributions(row, parts)
	}
	return witTypes.Ok[[]float64, fault](scores)
}

func Explain(rows matrix) witTypes.Result[explanation, fault] {
	split, wrong := scoreable(rows)
	if wrong != nil {
		return witTypes.Err[explanation](*wrong)
	}
	parts := make([]float64, len(rows.Values))
	for at, row := range split {
		loaded.contributions(row, parts[at*len(row):(at+1)*len(row)])
	}
	return witTypes.Ok[explanation, fault](explanation{Contributions: parts})
}

func ExportOnnx() witTypes.Result[[]uint8, fault] {
	return witTypes.Err[[]uint8](synod_detector_detector.MakeErrorUnsupported())
}

func split(rows matrix) ([][]float64, error) {
	width := int(rows.Width)
	if width == 0 || len(rows.Values)%width != 0 {
		return nil, fmt.Errorf("%d values do not make rows of %d", len(rows.Values), width)
	}
	split := make([][]float64, len(rows.Values)/width)
	for at := range split {
		split[at] = rows.Values[at*width : (at+1)*width]
	}
	return split, nil
}

func scoreable(rows matrix) ([][]float64, *fault) {
	if loaded == nil {
		wrong := synod_detector_detector.MakeErrorModel("no model is loaded")
		return nil, &wrong
	}
	split, err := split(rows)
	if err == nil && int(rows.Width) != len(loaded.mean) {
		err = fmt.Errorf("rows of %d features, but the model was fitted with %d", rows.Width, len(loaded.mean))
	}
	if err != nil {
		wrong := synod_detector_detector.MakeErrorData(err.Error())
		return nil, &wrong
	}
	return split, nil
}
