{{- define "service.notes" -}}
{{- $name := include "service.fullname" . -}}
{{ .Chart.Name }} {{ .Chart.AppVersion }} answers protobuf calls, for gateways and other services in the cluster, at

    dns:///{{ include "service.headlessName" . }}.{{ .Release.Namespace }}:{{ .Values.ports.rpc }}{{ if .Values.tls.enabled }}   (TLS{{ if .Values.tls.clientCertificates }}, with client certificates{{ end }}){{ end }}

See it come up, then test it:

    kubectl --namespace {{ .Release.Namespace }} rollout status deployment/{{ $name }}
    helm --namespace {{ .Release.Namespace }} test {{ .Release.Name }} --logs

{{- if include "service.usesMysql" . }}
{{- $pods := int (ternary .Values.autoscaling.maxReplicas .Values.replicaCount .Values.autoscaling.enabled) }}

The database on {{ .Values.config.dbHost }} must allow {{ mul (add $pods 1) (add (int (default 4 .Values.config.storeWorkers)) 2) }} connections: {{ $pods }} pods and one more in an upgrade, each with storeWorkers + 2.
{{- if not .Values.migration.enabled }}
migration.enabled is off: run `{{ .Chart.Name }} migrate` with the new image before each upgrade, or its pods refuse to start.
{{- end }}
{{- else }}

WARNING: config.store={{ .Values.config.store }} keeps the data in this one pod. They are lost with it, unless the file is on a volume.
{{- end }}
{{- if .Values.networkPolicy.enabled }}

Only these may call (networkPolicy.rpcFrom):
{{ toYaml .Values.networkPolicy.rpcFrom | indent 4 }}
{{- end }}
{{- if .Values.database.existingSecret }}

A change of the Secret {{ .Values.database.existingSecret }} takes effect by

    kubectl --namespace {{ .Release.Namespace }} rollout restart deployment/{{ $name }}
{{- end }}
{{- end }}
