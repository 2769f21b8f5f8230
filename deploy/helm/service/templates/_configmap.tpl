{{- define "service.configmap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "service.fullname" . | quote }}
  labels:
    {{- include "service.labels" . | nindent 4 }}
data:
  {{- toYaml (dict (include "service.confFile" .) (include "service.conf" .)) | nindent 2 }}
{{- end }}
