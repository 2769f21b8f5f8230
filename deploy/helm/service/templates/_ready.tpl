{{- define "service.test" -}}
{{- include "service.testPod" (list . (include "service.headlessName" .) .Values.ports.admin "/readyz") }}
{{- if .Values.networkPolicy.enabled }}
---
# For namespaces that deny what no policy allows.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "service.fullname" . }}-test
  labels:
    {{- include "service.labelsOf" (list . "test") | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation
    helm.sh/hook-weight: "-10"
spec:
  podSelector:
    matchLabels:
      {{- include "service.selectorLabelsOf" (list . "test") | nindent 6 }}
  policyTypes: [Ingress, Egress]
  egress:
    {{- include "service.egressDNS" . | nindent 4 }}
    - ports:
        - {port: admin, protocol: TCP}
      to:
        - podSelector:
            matchLabels:
              {{- include "service.selectorLabels" . | nindent 14 }}
{{- end }}
{{- end }}
