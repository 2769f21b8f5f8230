{{- define "service.networkpolicy" -}}
{{- if .Values.networkPolicy.enabled -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "service.fullname" . | quote }}
  labels:
    {{- include "service.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "service.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- with .Values.networkPolicy.rpcFrom }}
    - ports:
        - {port: rpc, protocol: TCP}
      from:
        {{- toYaml . | nindent 8 }}
    {{- end }}
    {{- with .Values.networkPolicy.adminFrom }}
    - ports:
        - {port: admin, protocol: TCP}
      from:
        {{- toYaml . | nindent 8 }}
    {{- end }}
    - ports:
        - {port: rpc, protocol: TCP}
        - {port: admin, protocol: TCP}
      from:
        - podSelector:
            matchLabels:
              {{- include "service.selectorLabelsOf" (list . "test") | nindent 14 }}
    {{- with .Values.networkPolicy.extraIngress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  egress:
    {{- include "service.egressDNS" . | nindent 4 }}
    {{- if include "service.usesMysql" . }}
    {{- include "service.egressDatabase" . | nindent 4 }}
    {{- end }}
    {{- with include "service.egressOTLP" . | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with .Values.networkPolicy.extraEgress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end }}
