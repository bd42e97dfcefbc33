// Holds rendered manifests against what a cluster would say of them, by the cluster's own code: each object must be known, without a key too many,
// and each pod must pass the restricted pod-security profile. Beyond that, names in one object must exist in the other, and pods keep a few rules of
// the project's own.
//
// usage: go run . MANIFESTS.yaml…
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

// What was rendered of one installation.
type manifests struct {
	pods     []pod
	stateful []*apps.StatefulSet
	services []*core.Service
	budgets  []*policy.PodDisruptionBudget
	networks []*networking.NetworkPolicy
	monitors []*monitoring.ServiceMonitor
	// How often an object of this kind and name is there.
	objects map[string]int
	count   int
}

// A pod as it would be made, and of what.
type pod struct {
	of   string
	spec core.PodTemplateSpec
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: check MANIFESTS.yaml...")
		os.Exit(2)
	}
	failed := false
	for _, file := range os.Args[1:] {
		all, mistakes := read(file)
		mistakes = append(mistakes, all.mistakes()...)
		for _, mistake := range mistakes {
			fmt.Fprintf(os.Stderr, "%s: %s\n", file, mistake)
			failed = true
		}
		fmt.Printf("%s: %d objects, %d pods\n", file, all.count, len(all.pods))
	}
	if failed {
		os.Exit(1)
	}
}

// Reads a file of manifests. What no cluster would take is a mistake.
func read(file string) (manifests, []string) {
	all := manifests{objects: map[string]int{}}
	var mistakes []string
	text, err := os.ReadFile(file)
	if err != nil {
		return all, []string{err.Error()}
	}
	if err := monitoring.AddToScheme(scheme.Scheme); err != nil {
		return all, []string{err.Error()}
	}
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	documents := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(text)))
	defer documents.Close()
	buffer := make([]byte, len(text)+1)
	for {
		length, err := documents.Read(buffer)
		if errors.Is(err, io.EOF) {
			return all, mistakes
		}
		if err != nil {
			return all, append(mistakes, err.Error())
		}
		document := buffer[:length]
		if blank(document) {
			continue
		}
		// The External Secrets Operator's types come with the clients of all clouds: its objects are held by the chart's schema of values.
		if bytes.Contains(document, []byte("\napiVersion: external-secrets.io/v1\n")) {
			all.count++
			continue
		}
		object, kind, err := decoder.Decode(document, nil, nil)
		if err != nil {
			mistakes = append(mistakes, err.Error())
			continue
		}
		all.add(object, kind.Kind)
	}
}

// Whether a document has nothing but comments.
func blank(document []byte) bool {
	for _, line := range bytes.Split(document, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && !bytes.Equal(line, []byte("---")) {
			return false
		}
	}
	return true
}

func (all *manifests) add(object runtime.Object, kind string) {
	all.count++
	if named, ok := object.(meta.Object); ok {
		all.objects[kind+" "+named.GetName()]++
	}
	switch object := object.(type) {
	case *apps.StatefulSet:
		all.stateful = append(all.stateful, object)
		spec := object.Spec.Template
		// As the controller does it.
		for _, claim := range object.Spec.VolumeClaimTemplates {
			source := &core.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name}
			volume := core.Volume{Name: claim.Name, VolumeSource: core.VolumeSource{PersistentVolumeClaim: source}}
			spec.Spec.Volumes = append(spec.Spec.Volumes, volume)
		}
		all.pods = append(all.pods, pod{kind + " " + object.Name, spec})
	case *batch.Job:
		all.pods = append(all.pods, pod{kind + " " + object.Name, object.Spec.Template})
	case *core.Service:
		all.services = append(all.services, object)
	case *policy.PodDisruptionBudget:
		all.budgets = append(all.budgets, object)
	case *networking.NetworkPolicy:
		all.networks = append(all.networks, object)
	case *monitoring.ServiceMonitor:
		all.monitors = append(all.monitors, object)
	}
}
