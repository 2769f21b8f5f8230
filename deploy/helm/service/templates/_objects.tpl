{{/*
All objects of a service, in the order in which they are rendered. The only
template that a service's own chart includes, beside its notes.
*/}}
{{- define "service.objects" -}}
{{- include "service.check" . }}
{{- $objects := list "configmap" "deployment" "hpa" "migration" "networkpolicy" "pdb" "secret" "serviceAdmin" "service" "serviceaccount" "servicemonitor" "test" }}
{{- range $objects }}
{{- with include (printf "service.%s" .) $ | trim }}
---
{{ . }}
{{- end }}
{{- end }}
{{- end }}
