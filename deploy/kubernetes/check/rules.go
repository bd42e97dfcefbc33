package main

import (
	"fmt"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

func (all manifests) mistakes() []string {
	var found []string
	for name, count := range all.objects {
		if count > 1 {
			found = append(found, name+" is there twice")
		}
	}
	for _, pod := range all.pods {
		for _, mistake := range slices.Concat(restricted(pod), own(pod), mounts(pod)) {
			found = append(found, pod.of+": "+mistake)
		}
	}
	slices.Sort(found)
	return append(found, all.names()...)
}

// What the cluster's own admission says of a pod in a namespace that enforces the restricted profile.
func restricted(pod pod) []string {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return []string{err.Error()}
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &pod.spec.ObjectMeta, &pod.spec.Spec))
	if result.Allowed {
		return nil
	}
	return []string{"not restricted: " + result.ForbiddenDetail()}
}

// What the project wants beyond that.
func own(pod pod) []string {
	var found []string
	note := func(fails bool, mistake string) {
		if fails {
			found = append(found, mistake)
		}
	}
	spec := pod.spec.Spec
	note(spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken, "it gets a token of the cluster")
	note(spec.EnableServiceLinks == nil || *spec.EnableServiceLinks, "it gets the names of Services as variables")
	for _, container := range containers(spec) {
		security := container.SecurityContext
		read := security != nil && security.ReadOnlyRootFilesystem != nil && *security.ReadOnlyRootFilesystem
		note(!read, container.Name+" can write to its root file system")
		note(container.Resources.Limits.Memory().IsZero(), container.Name+" has no limit of memory")
		note(container.Resources.Requests.Cpu().IsZero(), container.Name+" asks for no processor")
		note(!strings.Contains(container.Image, ":") || strings.HasSuffix(container.Image, ":latest"), container.Name+" runs whatever image is latest")
		// What a cluster shows to everybody who may look at pods.
		for _, variable := range container.Env {
			secret := strings.Contains(variable.Name, "PASSWORD") || strings.Contains(variable.Name, "TOKEN")
			note(secret, container.Name+" has a secret in the variable "+variable.Name)
		}
	}
	if spec.RestartPolicy == "" && len(spec.Containers) == 1 {
		container := spec.Containers[0]
		note(container.StartupProbe == nil || container.LivenessProbe == nil || container.ReadinessProbe == nil, "a probe is missing")
	}
	return found
}

// Every volume that is mounted is there, every one that is there is mounted, and nothing is mounted twice at one place.
func mounts(pod pod) []string {
	var found []string
	mounted := map[string]bool{}
	volumes := map[string]bool{}
	for _, volume := range pod.spec.Spec.Volumes {
		if volumes[volume.Name] {
			found = append(found, "the volume "+volume.Name+" is there twice")
		}
		volumes[volume.Name] = true
	}
	for _, container := range containers(pod.spec.Spec) {
		places := map[string]bool{}
		for _, mount := range container.VolumeMounts {
			mounted[mount.Name] = true
			if !volumes[mount.Name] {
				found = append(found, container.Name+" mounts "+mount.Name+", which is no volume")
			}
			if places[mount.MountPath] {
				found = append(found, container.Name+" mounts two volumes at "+mount.MountPath)
			}
			places[mount.MountPath] = true
		}
	}
	for name := range volumes {
		if !mounted[name] {
			found = append(found, "nobody mounts "+name)
		}
	}
	return found
}

// What one object names exists in the other.
func (all manifests) names() []string {
	var found []string
	note := func(fails bool, text string, arguments ...any) {
		if fails {
			found = append(found, fmt.Sprintf(text, arguments...))
		}
	}
	for _, set := range all.stateful {
		template := set.Spec.Template
		selector, err := meta.LabelSelectorAsSelector(set.Spec.Selector)
		note(err != nil || !selector.Matches(labels.Set(template.Labels)), "StatefulSet %s does not select its own pods", set.Name)
		note(all.objects["Service "+set.Spec.ServiceName] == 0, "StatefulSet %s names the Service %s, which is not there", set.Name, set.Spec.ServiceName)
		for _, container := range template.Spec.Containers {
			for _, probe := range []*core.Probe{container.StartupProbe, container.LivenessProbe, container.ReadinessProbe} {
				if probe != nil && probe.HTTPGet != nil {
					note(!has(container, probe.HTTPGet.Port), "a probe of %s calls the port %s, which is none", set.Name, probe.HTTPGet.Port.String())
				}
			}
		}
	}
	for _, service := range all.services {
		selected := all.selected(labels.SelectorFromSet(service.Spec.Selector))
		note(len(selected) != 1, "Service %s selects %d kinds of pods, and not one", service.Name, len(selected))
		for _, pod := range selected {
			for _, port := range service.Spec.Ports {
				note(!anyHas(pod, port.TargetPort), "Service %s leads to the port %s, which is none", service.Name, port.TargetPort.String())
			}
		}
	}
	for _, budget := range all.budgets {
		selector, err := meta.LabelSelectorAsSelector(budget.Spec.Selector)
		note(err != nil || len(all.selected(selector)) != 1, "PodDisruptionBudget %s does not select one kind of pods", budget.Name)
	}
	for _, network := range all.networks {
		selector, err := meta.LabelSelectorAsSelector(&network.Spec.PodSelector)
		note(err != nil || len(all.selected(selector)) != len(all.pods), "NetworkPolicy %s leaves pods out", network.Name)
		note(len(network.Spec.PolicyTypes) != 2, "NetworkPolicy %s is not of both directions", network.Name)
		for _, rule := range network.Spec.Ingress {
			note(len(rule.From) == 0 || len(rule.Ports) == 0, "NetworkPolicy %s lets everybody in", network.Name)
			for _, port := range rule.Ports {
				known := slices.ContainsFunc(all.pods, func(pod pod) bool { return anyHas(pod, *port.Port) })
				note(!known, "NetworkPolicy %s names the port %s, which is none", network.Name, port.Port.String())
			}
		}
	}
	for _, monitor := range all.monitors {
		selector, err := meta.LabelSelectorAsSelector(&monitor.Spec.Selector)
		note(err != nil, "ServiceMonitor %s: %v", monitor.Name, err)
		targets := 0
		for _, service := range all.services {
			if err == nil && selector.Matches(labels.Set(service.Labels)) {
				targets++
				for _, endpoint := range monitor.Spec.Endpoints {
					named := func(port core.ServicePort) bool { return port.Name == endpoint.Port }
					note(!slices.ContainsFunc(service.Spec.Ports, named), "ServiceMonitor %s: %s has no port %s", monitor.Name, service.Name, endpoint.Port)
				}
			}
		}
		note(targets != 1, "ServiceMonitor %s selects %d Services: metrics would come so often", monitor.Name, targets)
	}
	return found
}

func (all manifests) selected(selector labels.Selector) []pod {
	var selected []pod
	for _, pod := range all.pods {
		if selector.Matches(labels.Set(pod.spec.Labels)) {
			selected = append(selected, pod)
		}
	}
	return selected
}

func containers(spec core.PodSpec) []core.Container {
	return slices.Concat(spec.InitContainers, spec.Containers)
}

func anyHas(pod pod, port intstr.IntOrString) bool {
	return slices.ContainsFunc(pod.spec.Spec.Containers, func(container core.Container) bool { return has(container, port) })
}

func has(container core.Container, port intstr.IntOrString) bool {
	return slices.ContainsFunc(container.Ports, func(own core.ContainerPort) bool {
		return own.Name == port.StrVal && port.Type == intstr.String || own.ContainerPort == port.IntVal && port.Type == intstr.Int
	})
}
